"""Content-addressed store: what is computed once is found again by everyone who asks for the same thing.

An entry is a folder ``<root>/<kind>/<hash of the key>``. It appears by one rename when it is complete, so nobody sees
half of it; a file lock lets one process make it while others that ask wait (single flight).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock


def digest(key: Any) -> str:
    """Hex digest (16 characters) of plain data, independent of the order of mapping keys."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """Folder of content-addressed entries."""

    root: Path

    def fetch(self, kind: str, key: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Folder of the entry ``key``; ``make(folder)`` fills it when it is not there yet.

        A ``make`` that raises leaves nothing behind, and the next caller tries again.
        """
        entry = self.root / kind / digest(dict(key))
        if (entry / "key.json").exists():
            return entry
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(entry) + ".lock"):
            if (entry / "key.json").exists():
                return entry
            building = entry.with_name(entry.name + ".building")
            shutil.rmtree(building, ignore_errors=True)  # left by a process that was killed
            building.mkdir()
            try:
                make(building)
                (building / "key.json").write_text(json.dumps(dict(key), indent=1, sort_keys=True))
                os.replace(building, entry)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
        return entry
