"""The folder of a study: exclusive access, and clear errors when it cannot be written."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alseg_core.errors import AlsegError, ResultsError

LOCK = "lock"
"""Name of the file that a process locks while it runs the study."""
DENIED = (errno.EROFS, errno.EACCES, errno.EPERM)
"""Error numbers of a folder that may not be written by this user, or by anyone."""
IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
"""Error numbers of a file that is where a folder belongs, or the other way round."""
GOES_ON = "No finished round is lost: the same command continues from there."
"""End of every message about a study that stopped because it could not write."""


def shown(path: Path) -> str:
    """Return a path as a user would type it in the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a study's folder for this process. A new folder is deleted afterwards if nothing was written to it.

    Raises ResultsError if the folder cannot be written, or if another process is running the study.
    """
    from filelock import FileLock, Timeout

    with tidy(folder):
        check_writable(folder)
        lock = FileLock(str(folder / LOCK))
        try:
            lock.acquire(timeout=0)
        except IsADirectoryError:
            raise ResultsError(f"{folder / LOCK} is a folder, where a file belongs; move it away.") from None
        except Timeout:
            raise ResultsError(
                f"the study in {folder} is being run by another process; wait for it, stop it, or give this one "
                "a folder of its own: --set name=other."
            ) from None
        try:
            yield
        finally:
            if [path.name for path in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
            lock.release()


@contextmanager
def tidy(folder: Path) -> Iterator[None]:
    """Delete ``folder`` and its parents at the end, as far as they did not exist before and are empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # stop at the first folder that is not empty
            for path in made:
                path.rmdir()


def check_writable(folder: Path) -> None:
    """Create the folder. Raises ResultsError if no file can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
    except OSError as error:
        raise ResultsError(
            f"{folder} cannot be written ({error.strerror}); free some space, or choose another with --out."
        ) from None


def check_folders(folder: Path) -> None:
    """Raise ResultsError where the folder of a study, or that of its runs, is something else than a folder."""
    for path in (folder, folder / "runs"):
        if path.is_symlink() and not path.exists():
            raise ResultsError(f"{path} is a link that leads nowhere; put its target back, or delete it.")
        if path.exists() and not path.is_dir():
            raise ResultsError(f"{path} is no folder; move it away, or choose another with --out.")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn errors of writing files below ``folder`` into a ResultsError with the reason and what to do."""
    from bench.launchers.failures import disk_full

    try:
        yield
    except AlsegError:
        raise
    except Exception as error:
        if full := disk_full(error, folder):
            raise ResultsError(f"{full}. {GOES_ON}") from error
        if not (isinstance(error, OSError) and error.errno in (*DENIED, *IN_THE_WAY)):
            raise
        where = f"{error.filename2 or error.filename or folder} cannot be written ({error.strerror})"
        what = "change its permissions" if error.errno in DENIED else "move it away"
        raise ResultsError(f"{where}; {what}. {GOES_ON}") from error
