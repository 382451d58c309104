"""Download of a dataset from its official source: resumed, checked, and unpacked with care."""

from __future__ import annotations

from pathlib import Path

from alseg_core.errors import ConfigError, DataError
from alseg_core.visible import visible
from bench.datasets.archive import Archive, archive_of
from bench.datasets.fetch_bar import FetchBar
from bench.datasets.transfer import Report, Transfer, verify
from bench.datasets.unpack import Record, missing_files, unpack
from bench.study.dataset_file import DATA


def fetch(
    name: str,
    archive: Archive,
    folder: Path,
    report: Report = lambda phase, done, total: None,
    elsewhere: str = "choose another folder with --to",
) -> tuple[int, str]:
    """Bring a dataset into ``folder``; return the number of its files and how they were checked.

    elsewhere: what to do where the folder cannot be written.

    A dataset that is complete is not fetched again, an interrupted download is resumed, and an archive that is in the
    folder already is used. Where some files are missing, only those are placed; the others stay as they are.

    Raises DataError: no network, refused by the server, wrong size or checksum, an unsafe or damaged archive, too
    little space, or files of the same name from elsewhere.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder / ".fetch.lock"), timeout=0):
            if not (folder / ".gitignore").exists():
                (folder / ".gitignore").write_text("*\n")  # scans do not belong in a repository
            return _fetch(name, archive, folder, report)
    except Timeout:
        raise DataError(f"another process is fetching into {folder}; wait for it or stop it.") from None
    except OSError as error:
        what = f"{error.filename or folder} cannot be written ({error.strerror or error})"
        raise DataError(f"{what}; {elsewhere}.") from None


def _fetch(name: str, archive: Archive, folder: Path, report: Report) -> tuple[int, str]:
    record = Record(folder / f".fetched-{name}.json")
    how = (
        "size and md5 checksum of the archive are as published"
        if archive.md5
        else "no checksum is published: size as the server reports, and the checksums inside the archive"
    )
    known = record.read(archive)
    if known is not None:
        missing = len(missing_files(folder, known))
        if not missing:
            return len(known), "fetched before, nothing to do"
        how = f"{missing} of them were missing and have been placed again; {how}"
    path = folder / archive.file
    own = not path.exists()
    if own:
        part = folder / f"{archive.file}.part"
        Transfer(archive, part, report).run()
        try:
            verify(archive, part, report)
        except DataError:
            part.unlink()  # resuming from wrong bytes could never succeed
            raise
        part.rename(path)
    else:
        verify(archive, path, report)
    files = unpack(path, archive, record, report)
    if own:
        path.unlink()
    return files, how


def fetch_with_progress(dataset: str, to: Path | None) -> list[str]:
    """Run :func:`fetch` and show its progress; return lines on the result and the next step."""
    from rich.console import Console

    name, archive = archive_of(dataset)
    own = (DATA / name).absolute()
    folder = own if to is None else to.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--to {folder} is not a folder.")
    console = Console(stderr=True)
    console.print(visible(f"{name}: {archive.url} to {folder}"), markup=False, highlight=False, soft_wrap=True)
    with FetchBar(name, console) as bar:
        files, how = fetch(name, archive, folder, bar)
    check, study = ("", "") if folder == own else (f" --data {folder}", f" DATA={folder}")
    return [
        f"{name}: {files:,} files in {folder} ({how})",
        f"next: alseg data check {dataset}{check}, or make bench DATASET={dataset}{study}",
    ]
