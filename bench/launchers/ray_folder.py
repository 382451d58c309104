"""The folder of Ray's files while a study runs on this machine, and what a killed study has left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alseg_core.errors import AlsegError

PREFIX = "alseg-study-"
"""Beginning of the folder's name."""
LOCK = "lock"
"""Name of the file in the folder that its owner keeps locked, so that others see whether the owner is alive."""
SESSIONS = "r"
"""Name of Ray's own folder in it, which Ray opens to all users; the folder around it is not."""
SOCKET = len(f"{SESSIONS}/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
"""Length of the longest path of a socket that Ray creates in the folder."""
OLD_S = 600.0
"""Age after which an empty folder without a lock has no owner, in seconds."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """Return a new folder that only this user can read, with a path short enough for Ray's sockets.

    It is deleted at the end. Those of killed processes are deleted first, with the processes that they have left.
    Raises AlsegError if there is no place for it.
    """
    for base in _bases():
        remove_leftovers(base)
    folder = _new_folder()
    with _own(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _bases() -> list[Path]:
    """Return where the folder may be, the best first: TMPDIR is often too long, and sometimes not there."""
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    return [Path(base) for base in dict.fromkeys([*named, "/tmp", "/var/tmp", "/dev/shm"])]


def _new_folder() -> Path:
    """Create the folder in the first place where that is possible."""
    reasons = []
    for base in _bases():
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError as error:
            reasons.append(f"{base} ({error.strerror})")
            continue
        try:
            _try_socket(folder)
            return folder
        except OSError as error:
            reasons.append(f"{base} ({error.strerror or error})")
            shutil.rmtree(folder, ignore_errors=True)
    raise AlsegError(
        f"Ray needs a folder for its sockets, and none of these can be used: {', '.join(reasons)}. Set TMPDIR to a "
        "folder on a local disk that you can write, with a path of at most 30 characters, or try --local."
    )


def _try_socket(folder: Path) -> None:
    """Raise OSError if the longest path of Ray's sockets is too long, or if the file system has no sockets."""
    path = folder / ("s" * SOCKET)
    with socket.socket(socket.AF_UNIX) as trial:
        trial.bind(str(path))
    path.unlink()


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Lock the folder for as long as this process is in the block; a lock ends with its process."""
    new = folder / f"{LOCK}.new"
    file = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        new.rename(folder / LOCK)  # nobody sees the file before it is locked
        yield
    finally:
        os.close(file)


def remove_leftovers(base: Path) -> None:
    """Delete the folders of dead owners in ``base``, and end their processes. Others' folders are not touched."""
    for folder in base.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it belongs to another user, or another process is faster
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
                _remove_if_left(folder, time.time() - status.st_mtime)


def _remove_if_left(folder: Path, age: float) -> None:
    """Delete the folder if its owner is dead. Raises OSError, also if the owner lives."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        if age > OLD_S:
            (folder / f"{LOCK}.new").unlink(missing_ok=True)
            folder.rmdir()
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(file)


def end_processes(folder: Path) -> None:
    """End the processes of this user that have been started with this folder or have files open in it."""
    for entry in Path("/proc").glob("[0-9]*"):  # nothing on systems without it
        with suppress(OSError):  # it has ended, or is not ours
            pid = int(entry.name)
            if pid != os.getpid() and entry.stat().st_uid == os.getuid() and _mentions(entry, f"{folder}/"):
                os.kill(pid, signal.SIGKILL)


def _mentions(process: Path, folder: str) -> bool:
    """Return whether a process in /proc has the folder in its command, its environment or its open files."""
    if any(folder.encode() in (process / name).read_bytes() for name in ("cmdline", "environ")):
        return True
    links = []
    for file in (process / "fd").iterdir():
        with suppress(OSError):
            links.append(os.readlink(file))
    return any(link.startswith(folder) for link in links)
