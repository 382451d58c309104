"""A study's folder: who may write there, and what is said when that cannot be done."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alseg_core.errors import AlsegError, ResultsError

LOCK = "lock"
DENIED = (errno.EROFS, errno.EACCES, errno.EPERM)
"""What the system says of a place that nobody, or somebody else, may write."""
GOES_ON = "No finished round is lost: the same command goes on from there."


def shown(path: Path) -> str:
    """The path as a user would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a study's folder for this process. A folder that was made for it goes again when nothing was written there.

    Raises ResultsError when it cannot be written, or when another process is running the study.
    """
    from filelock import FileLock, Timeout

    with _tidy(folder):
        check_writable(folder)
        lock = FileLock(str(folder / LOCK))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ResultsError(
                f"the study in {folder} is being run by another process; wait for it or stop it."
            ) from None
        try:
            yield
        finally:
            if [path.name for path in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
            lock.release()


@contextmanager
def _tidy(folder: Path) -> Iterator[None]:
    """Delete what was made on the way to ``folder`` and is empty in the end."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # the first that is not empty
            for path in made:
                path.rmdir()


def check_writable(folder: Path) -> None:
    """Make the folder. Raises ResultsError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
    except OSError as error:
        raise ResultsError(
            f"{folder} cannot be written ({error.strerror}); free some space, or choose another with --out (OUT=)."
        ) from None


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises ResultsError, which says what to do, when files below ``folder`` cannot be written."""
    from bench.launchers.failures import disk_full

    try:
        yield
    except AlsegError:
        raise
    except Exception as error:
        if full := disk_full(error, folder):
            raise ResultsError(f"{full}. {GOES_ON}") from error
        if not (isinstance(error, OSError) and error.errno in DENIED):
            raise
        where = f"{error.filename or folder} cannot be written ({error.strerror})"
        raise ResultsError(f"{where}; change its permissions. {GOES_ON}") from error
