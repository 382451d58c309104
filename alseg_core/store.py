"""Content-addressed store: results that are computed once and reused by every run that needs them.

An entry is a folder ``<root>/<kind>/<hash of the key>``. It appears by one rename when it is complete. A file lock lets
one process make it while others wait for it (single flight). Its ``key.json`` holds the key, and size and CRC-32 of
every file; an entry that does not match is made again. A process that fetches an entry holds a shared lock on
``key.json`` for the life of its :class:`Store`; :meth:`Store.remove` needs an exclusive one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

KEY = "key.json"
"""File of an entry with its key, and the sizes and checksums of its files."""

LOCK, BUILDING, GONE = ".lock", ".building", ".gone"
"""Suffixes of an entry's name: the lock for making it, the folder it is made in, the folder it is deleted from."""

WAIT_S = 5.0
"""Interval at which a process that waits for an entry calls ``Store.waiting``, in seconds."""

log = logging.getLogger(__name__)
_checked: set[tuple[str, int]] = set()
"""Path and inode of key.json of the entries whose checksums this process has verified."""


def digest(key: Any) -> str:
    """Return a hex digest (16 characters) of plain data, independent of the order of mapping keys."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Entry:
    """An entry on disk, or the remains of one."""

    path: Path
    """Its folder."""
    bytes: int
    """Size of its files."""
    used: float
    """Time it was last fetched, in seconds since the epoch."""

    @property
    def kind(self) -> str:
        """Kind of the entry: "prepared", "encoder", "training", ..."""
        return self.path.parent.name


@dataclass(frozen=True)
class Store:
    """Folder of content-addressed entries."""

    root: Path
    """The folder."""
    waiting: Callable[[], object] | None = field(default=None, compare=False, repr=False)
    """Called every :data:`WAIT_S` seconds while another process makes the entry."""
    notes: list[str] = field(default_factory=list, init=False, compare=False, repr=False)
    """Entries that were found damaged and made again."""
    _uses: dict[Path, _Use] = field(default_factory=dict, init=False, compare=False, repr=False)

    def entry(self, kind: str, key: Mapping[str, Any]) -> Path:
        """Return the folder of the entry ``key``, which need not exist."""
        return self.root / kind / digest(dict(key))

    def fetch(self, kind: str, key: Mapping[str, Any], make: Callable[[Path], object]) -> Path:
        """Return the folder of the entry ``key``; ``make(folder)`` fills it if it does not exist or is damaged.

        A ``make`` that raises leaves nothing behind, and the next caller tries again. Sizes are checked every time,
        checksums once per process and entry. The entry is not removed while this Store lives.
        """
        entry = self.entry(kind, key)
        if self._take(entry) is None:
            return entry
        entry.parent.mkdir(parents=True, exist_ok=True)
        with self._turn(entry):
            fault = self._take(entry)  # another process may have made it meanwhile
            if fault is not None:
                if fault:
                    self.notes.append(f"{kind} {entry.name} in the store {fault}; it was made again")
                    log.warning("store: %s %s %s; it is made again", kind, entry.name, fault)
                self._make(entry, key, make)
        return entry

    def entries(self) -> list[Entry]:
        """Return all entries, the least recently used first."""
        found = []
        for path in self.root.glob("*/*"):
            with suppress(FileNotFoundError):  # removed meanwhile
                if not path.suffix and path.is_dir():
                    mark = path / KEY
                    found.append(Entry(path, _size(path), (mark if mark.exists() else path).stat().st_mtime))
        return sorted(found, key=lambda entry: (entry.used, entry.path))

    def leftovers(self) -> list[Entry]:
        """Return the remains of killed processes and the locks of removed entries, except those in use.

        They only take up space: the next process that makes the entry deletes them.
        """
        found = []
        for path in sorted(self.root.glob("*/*")):
            orphan = path.suffix == LOCK and not any(path.with_suffix(end).exists() for end in ("", BUILDING, GONE))
            if not (orphan or path.suffix in (BUILDING, GONE)):
                continue
            with suppress(OSError), FileLock(path.with_suffix(LOCK), timeout=0):
                found.append(Entry(path, _size(path), path.stat().st_mtime))
        return found

    def remove(self, entry: Entry) -> str | None:
        """Delete an entry or a leftover. Return why it must stay, or None.

        It is renamed before its files are deleted, so that no process finds half of it.
        """
        name = entry.path.with_suffix("")
        lock = FileLock(name.with_suffix(LOCK), timeout=0)
        try:
            with lock:
                if entry.path == name and name.exists():
                    with _alone(name / KEY) as alone:
                        if not alone:
                            return "in use"
                        shutil.rmtree(name.with_suffix(GONE), ignore_errors=True)
                        os.replace(name, name.with_suffix(GONE))
                for suffix in (BUILDING, GONE):
                    shutil.rmtree(name.with_suffix(suffix), ignore_errors=True)
                if not name.exists():  # a process that waits for the lock notices that its file is gone
                    name.with_suffix(LOCK).unlink(missing_ok=True)
        except Timeout:
            return "being made"
        return None

    def _take(self, entry: Path) -> str | None:
        """Lock a complete entry. Return its fault, "" when it does not exist, or None."""
        try:
            use = _Use(entry / KEY)
        except FileNotFoundError:
            return "has no key" if entry.exists() else ""
        fault = _fault(entry, use.inode)
        if fault is None:
            self._uses[entry] = use
            with suppress(OSError):  # a shared store may belong to another user
                os.utime(entry / KEY)
        return fault

    def _make(self, entry: Path, key: Mapping[str, Any], make: Callable[[Path], object]) -> None:
        building = entry.with_suffix(BUILDING)
        for left in (building, entry.with_suffix(GONE)):  # remains of a killed process
            shutil.rmtree(left, ignore_errors=True)
        building.mkdir()
        try:
            make(building)
            files = {str(p.relative_to(building)): _sum(p) for p in sorted(building.rglob("*")) if p.is_file()}
            (building / KEY).write_text(json.dumps({"key": dict(key), "files": files}, indent=1, sort_keys=True))
            if entry.exists():  # processes that have mapped its files keep them
                os.replace(entry, entry.with_suffix(GONE))
            os.replace(building, entry)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        shutil.rmtree(entry.with_suffix(GONE), ignore_errors=True)
        use = self._uses[entry] = _Use(entry / KEY)
        _checked.add((str(entry), use.inode))

    @contextmanager
    def _turn(self, entry: Path) -> Iterator[None]:
        """Wait to be the one process that makes this entry."""
        lock = FileLock(entry.with_suffix(LOCK))
        while True:
            try:
                lock.acquire(timeout=WAIT_S)
                break
            except Timeout:
                if self.waiting is not None:
                    self.waiting()
        try:
            yield
        finally:
            lock.release()


class _Use:
    """A shared lock on key.json of an entry, held by this object. Raises FileNotFoundError when there is no entry."""

    def __init__(self, path: Path) -> None:
        while True:
            self._file = path.open("rb")
            with suppress(OSError):  # on a file system without locks entries are not removed either
                fcntl.flock(self._file, fcntl.LOCK_SH)
            self.inode = os.fstat(self._file.fileno()).st_ino
            if path.stat().st_ino == self.inode:  # else it was removed or replaced while we waited for the lock
                return
            self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Lock this key.json exclusively, if it exists; yield whether that succeeded."""
    if not path.exists():
        yield True
        return
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _sum(path: Path) -> list[int]:
    """Return size in bytes and CRC-32 of a file."""
    crc = size = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return [size, crc]


def _fault(entry: Path, inode: int) -> str | None:
    """Return the fault of an entry, or None."""
    try:
        content = json.loads((entry / KEY).read_text())
        files = [(name, int(size), int(crc)) for name, (size, crc) in content["files"].items()]
    except (KeyError, TypeError, AttributeError):
        return "is of an earlier version, without checksums"
    except (OSError, ValueError):
        return "has no key that can be read"
    for name, size, crc in files:
        path = entry / name
        found = path.stat().st_size if path.exists() else None
        if found != size:
            return f"is damaged ({name} has {found} bytes, not {size})" if found is not None else f"lacks {name}"
        if (str(entry), inode) not in _checked and _sum(path)[1] != crc:
            return f"is damaged (checksum of {name})"
    _checked.add((str(entry), inode))
    return None


def _size(path: Path) -> int:
    """Return the bytes of a file or of all files in a folder."""
    return sum(p.stat().st_size for p in (path, *path.rglob("*")) if p.is_file())
