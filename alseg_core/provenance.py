"""Which code a run was made by."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def code() -> dict[str, str | None]:
    """alseg: version. commit: of the git checkout, ending in "-dirty" where files were changed; None outside of one."""
    version = commit = None
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version("alseg")
    root = Path(__file__).parent.parent
    if (root / ".git").exists():
        with suppress(OSError, subprocess.SubprocessError):
            command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
            commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return {"alseg": version, "commit": commit}
