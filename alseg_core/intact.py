"""Files that may be damaged: reading them with errors that name the file, and telling whether they have changed."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

from alseg_core.errors import ResultsError

ARCHIVES = (".pt", ".npz")
"""Ends of the names of files that are ZIP archives, which have checksums of their own."""


def content_of(path: Path) -> bytes | None:
    """Return the content of a file, None if it does not exist.

    Raises ResultsError if it cannot be read, or if something else than a file has its name.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "a folder" if path.is_dir() else "no file"
            raise ResultsError(f"{path} is {what}, where a file belongs; move it away.")
        return path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise ResultsError(f"{path} is a link that leads nowhere; put its target back, or delete it.") from None
        return None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}).") from None


def mapping_of(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file that holds a mapping, None if it does not exist. Raises ResultsError."""
    content = content_of(path)
    if content is None:
        return None
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is damaged ({str(error) or type(error).__name__}).") from None
    if not isinstance(found, dict):
        raise ResultsError(f"{path} is damaged (it holds no mapping).")
    return found


def seal(path: Path) -> str:
    """Return size in bytes and SHA-256 of a file, "<size> <hex digits>"."""
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{file.tell()} {checksum}"


def fault_of(path: Path, sealed: str | None) -> str | None:
    """Return what is wrong with a file, or None.

    sealed: what :func:`seal` returned for it; None if that is not known, which finds damage, but no change, of JSON
    files and archives.
    """
    if not path.is_file():
        return None if sealed is None else f"{path.name} is {'no file' if path.exists() else 'missing'}"
    try:
        if sealed is not None:
            return _difference(path.name, sealed, seal(path))
        if path.suffix == ".json":
            mapping_of(path)
        elif path.suffix in ARCHIVES:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    return f"{path.name} is damaged (checksum of its content)"
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, ResultsError) as error:
        return f"{path.name} cannot be read ({str(error) or type(error).__name__})"
    return None


def _difference(name: str, wanted: str, found: str) -> str | None:
    if found == wanted:
        return None
    sizes = [text.partition(" ")[0] for text in (found, wanted)]
    how = "its checksum differs" if sizes[0] == sizes[1] else f"{sizes[0]} bytes instead of {sizes[1]}"
    return f"{name} is damaged or was changed since the run wrote it ({how})"
