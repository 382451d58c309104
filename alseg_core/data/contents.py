"""Checksums of files, computed once as long as size and date of a file stay the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from alseg_core.atomic import write_atomic
from alseg_core.errors import ResultsError
from alseg_core.intact import mapping_of


class Contents:
    """Checksums by path, kept in a JSON file that can be deleted at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._known: dict[str, list[object]] = dict(mapping_of(path) or {})
        except ResultsError:
            self._known = {}
        self._changed = False

    @classmethod
    def in_store(cls, root: Path) -> Contents:
        """Return the checksums that the store in the folder ``root`` keeps."""
        return cls(root / "contents.json")

    def of(self, path: Path) -> str:
        """Return the SHA-256 of a file."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        known = self._known.get(str(path.absolute()))
        if isinstance(known, list) and known[:2] == stamp:
            return str(known[2])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[str(path.absolute())] = [*stamp, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        """Write the file if there is something new."""
        if self._changed:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps(self._known))
            self._changed = False
