"""Which code a run was made by."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from alseg_core import __version__


@cache
def code() -> dict[str, str | None]:
    """Return the version (``alseg``) and the ``commit`` of the git checkout.

    The commit ends in "-dirty" where files were changed, and is None outside a checkout.
    """
    commit = None
    root = Path(__file__).parent.parent
    if (root / ".git").exists():
        with suppress(OSError, subprocess.SubprocessError):
            command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
            commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return {"alseg": __version__, "commit": commit}
