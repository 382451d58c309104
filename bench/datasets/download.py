"""Download of a dataset from its official place: resumed, checked, and unpacked with care."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from alseg_core.data.readers.reader import complaint
from alseg_core.errors import ConfigError, DataError
from alseg_core.registry import component, construct
from alseg_core.results import write_atomic
from bench.study import DatasetFile, find

Tell = Callable[[str, int, int], None]
"""Called as (what is going on, bytes done, bytes in all)."""

CHUNK = 1 << 20
BLOCK = 1 << 14
"""Bytes that a connection that breaks off may take with it."""

TIMEOUT_S = (15.0, 60.0)
"""Longest wait for a connection, and for the next bytes."""

INFLATION = 100
"""An archive that declares more than this many times its own size is refused; images shrink by less than ten."""


@component
class Archive:
    """What to fetch: the ``fetch`` block of a dataset's file.

    url: of a zip archive; its path ends in the archive's name. bytes: its size. md5: its checksum. A publisher who
    gives neither leaves the size that the server says and the checksums inside the archive.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+/\S*[^/\s]$")]
    bytes: Annotated[int, Field(gt=0)] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    @property
    def file(self) -> str:
        """Name of the archive on disk."""
        return re.split(r"[/\\]", unquote(urlsplit(self.url).path))[-1]

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not (self.file.isprintable() and PurePosixPath(self.file).suffix.lower() == ".zip"):
            raise ValueError(f"the path of the url must end in the name of a .zip archive, got {self.file!r}")
        return self


def archive_of(dataset: str) -> tuple[str, Archive]:
    """Name of a dataset and its archive.

    Raises DataError where it cannot be downloaded by a program: it says where to register and which layout to make.
    """
    from alseg_core.data.readers import READERS

    file = DatasetFile(dataset, find("dataset", dataset))
    if "fetch" in file.content:
        return file.name, construct(Archive, file.content["fetch"], f"dataset {file.name!r}, fetch")
    reader = READERS.build(file.content.get("reader"))
    try:
        reader.scan(None)
    except DataError:
        pass
    else:
        raise DataError(f"{file.name} is generated: there is nothing to fetch.")
    way = file.content.get("get") or f"Its place is {file.content.get('source') or reader.source}"
    raise DataError(
        f"{file.name} cannot be fetched by this command. {str(way).strip().rstrip('.')}. "
        f"Licence: {file.content.get('licence') or reader.licence}. "
        f"Expected layout:\n{reader.layout}\nThen: alseg data check {dataset} --data FOLDER"
    )


def fetch(name: str, archive: Archive, folder: Path, tell: Tell = lambda what, done, total: None) -> tuple[int, str]:
    """Bring a dataset into ``folder``. Returns the number of its files, and how they were checked.

    What was fetched before is not fetched again; a download that was cut off goes on where it stopped. An archive that
    lies in the folder already is used. Of a set that is no longer whole, the missing files alone are placed; the others
    stay as they are. Raises DataError: no network, refused by the server, wrong size or checksum, an
    unsafe or damaged archive, too little space, files of the same name that are not from here.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder / ".fetch.lock"), timeout=0):
            if not (folder / ".gitignore").exists():
                (folder / ".gitignore").write_text("*\n")  # scans belong in no repository
            return _fetch(name, archive, folder, tell)
    except Timeout:
        raise DataError(f"another process is fetching into {folder}; wait for it or stop it.") from None
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be written ({error.strerror or error}).") from None


def _fetch(name: str, archive: Archive, folder: Path, tell: Tell) -> tuple[int, str]:
    record = folder / f".fetched-{name}.json"
    how = (
        "size and md5 checksum of the archive are those that its publisher gives"
        if archive.md5
        else "no checksum is published: size as the server says, and the checksums inside the archive"
    )
    known = _recorded(record, archive)
    if known is not None:
        lacking = len(_missing(folder, known))
        if not lacking:
            return len(known), "fetched before, nothing to do"
        how = f"{lacking} of them were missing and are there again; {how}"
    path = folder / archive.file
    own = not path.exists()
    if own:
        part = folder / f"{archive.file}.part"
        _download(archive, part, tell)
        try:
            _verify(archive, part, tell)
        except DataError:
            part.unlink()  # going on from wrong bytes would never end well
            raise
        part.rename(path)
    else:
        _verify(archive, path, tell)
    files = _unpack(path, folder, record, archive, known is not None, tell)
    if own:
        path.unlink()
    return files, how


def _recorded(record: Path, archive: Archive) -> dict[str, int] | None:
    """Size of each file that was, or was about to be, placed from the same archive; None where nothing was."""
    try:
        told = json.loads(record.read_text())
        same = told["url"] == archive.url and told["md5"] == archive.md5
        files = {str(file): int(size) for file, size in told["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return files if same else None


def _missing(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """Files that are not in the folder. Raises DataError naming all places where something else is."""
    missing, problems = [], []
    for file, size in sizes.items():
        path = folder / file
        if path.is_file():
            if path.stat().st_size != size:
                problems.append(f"{path}: {path.stat().st_size} bytes, {size} in the archive.")
        elif path.exists() or path.is_symlink():
            problems.append(f"{path}: not a file, and one in the archive.")
        else:
            first = next(above for above in path.parents if above.exists() or above.is_symlink())
            if first.is_dir():
                missing.append(file)
            else:
                problems.append(f"{first}: not a folder, and one in the archive.")
    if problems:
        told = complaint(list(dict.fromkeys(problems)), f"what was fetched into {folder} before")
        raise DataError(f"{told}\nMove or delete what is in the way; the same command then places the missing files.")
    return missing


def _download(archive: Archive, part: Path, tell: Tell) -> None:
    """Bring ``part`` to the size of the archive, from where it is where the server can do that."""
    import requests

    def fail(reason: str) -> DataError:
        done = part.stat().st_size if part.exists() else 0
        kept = f" {done} bytes are kept; the same command goes on from there." if done else ""
        return DataError(f"{archive.url}: {reason}.{kept}")

    done = part.stat().st_size if part.exists() else 0
    if archive.bytes is not None and done >= archive.bytes:
        return  # whole; what is too long is found out by its size
    begun = False
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
    try:
        with requests.get(archive.url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            begun = True
            if answer.status_code == 416 and done:
                if _total(answer.headers.get("Content-Range", "")) == done:
                    return
                part.unlink()
                raise fail("the server cannot go on with what was downloaded before; it is deleted, try again")
            if answer.status_code not in (200, 206):
                raise fail(
                    f"the server answered {answer.status_code} {answer.reason}; "
                    "perhaps the file has moved, see the dataset's page (alseg data info)"
                )
            resumed = answer.status_code == 206
            span = answer.headers.get("Content-Range", "")
            if resumed and not span.startswith(f"bytes {done}-"):
                raise fail(f"the server sent {span or 'an unknown part'} instead of the bytes from {done}")
            if not resumed:
                done = 0
            length = answer.headers.get("Content-Length", "")
            total = _total(span) if resumed else int(length) if length.isdecimal() else None
            if archive.bytes is not None and total not in (None, archive.bytes):
                raise DataError(
                    f"{archive.url}: the server offers {total} bytes, expected are {archive.bytes}; "
                    "the file was replaced."
                )
            total = archive.bytes or total or 0
            _check_space(part.parent, total - done, "the download")
            with part.open("ab" if resumed else "wb") as file:
                for block in answer.iter_content(BLOCK):
                    done += file.write(block)
                    tell("downloading", done, total)
    except requests.RequestException as error:
        what = f"the connection ended after {done} bytes" if begun else "no connection, is there a network?"
        raise fail(f"{what} ({_reason(error)})") from None
    if total and done < total:
        raise fail(f"the connection ended after {done} of {total} bytes")


def _total(content_range: str) -> int | None:
    """Size of the whole from "bytes 5-9/10" or "bytes */10"."""
    found = re.search(r"/(\d+)$", content_range)
    return int(found[1]) if found else None


def _reason(error: Exception) -> str:
    """The cause in one line; urllib3 wraps it in what was tried."""
    cause = error.args[0] if error.args else error
    told = re.sub(r"<[^>]* object at 0x[0-9a-f]+>:? ?", "", str(getattr(cause, "reason", cause)))
    return told if len(told) <= 200 else f"{told[:200]}..."


def _verify(archive: Archive, path: Path, tell: Tell) -> None:
    size = path.stat().st_size
    if archive.bytes is not None and size != archive.bytes:
        raise DataError(f"{path}: {size} bytes, expected {archive.bytes}. Delete it and fetch again.")
    if archive.md5 is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            tell("checking", file.tell(), size)
    if digest.hexdigest() != archive.md5:
        raise DataError(
            f"{path}: checksum {digest.hexdigest()}, expected {archive.md5}. Fetch again; if it stays so, the file at "
            f"{archive.url} was replaced."
        )


def _unpack(path: Path, folder: Path, record: Path, archive: Archive, again: bool, tell: Tell) -> int:
    """Unpack beside, then move into place, so that half an archive is never taken for a whole one.

    again: files of the archive were placed before; those that are there stay. Otherwise nothing may be in the way.
    """
    aside = folder / f"{path.name}.unpacking"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as file:
            sizes = {member.filename: member.file_size for member in _safe(file, path)}
            if not again:
                _check_free(folder, sizes, path)
            wanted = _missing(folder, sizes)
            total = sum(sizes[name] for name in wanted)
            _check_space(folder, total, "the unpacked files")
            aside.mkdir()
            done = 0
            for name in wanted:
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(name) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)  # never more than declared, and the CRC is compared
                done += sizes[name]
                tell("unpacking", done, total)
        # before the first file is moved: whatever comes between, the rest is known to be missing
        write_atomic(record, json.dumps({"url": archive.url, "md5": archive.md5, "files": sizes}))
        for name in wanted:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).rename(folder / name)
    except (DataError, OSError):
        raise
    except Exception as error:  # damage shows as BadZipFile, EOFError or in the decompressor's own way
        raise DataError(f"{path}: not a readable zip archive ({error}). Delete it and fetch again.") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return len(sizes)


def _check_free(folder: Path, names: Iterable[str], path: Path) -> None:
    """Raise a DataError when something has the name of a file or folder at the top of the archive."""
    taken = sorted(name for name in {PurePosixPath(name).parts[0] for name in names} if (folder / name).exists())
    if taken:
        raise DataError(
            f"{folder / taken[0]} exists already and would be overwritten; "
            f"move or delete it, or choose another folder. The archive is kept as {path}."
        )


def _safe(file: zipfile.ZipFile, path: Path) -> Iterator[zipfile.ZipInfo]:
    """Files of an archive. Raises DataError for anything that would leave the folder, or fill the disk."""
    size = path.stat().st_size
    declared = sum(member.file_size for member in file.infolist())
    if declared > INFLATION * size:
        raise DataError(
            f"{path}: the archive of {size} bytes would unpack to {declared}, more than {INFLATION} times as much; "
            "refused."
        )
    names = [member.filename for member in file.infolist()]
    if len(set(names)) < len(names):
        raise DataError(f"{path}: the archive holds a file twice; refused.")
    for member in file.infolist():
        name = member.filename
        parts = PurePosixPath(name).parts
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
            raise DataError(f"{path}: the archive holds {name!r}, which would lie outside of the folder; refused.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DataError(f"{path}: the archive holds {name!r}, a link or device; refused.")
        if member.flag_bits & 1:
            raise DataError(f"{path}: the archive holds {name!r}, which is encrypted; refused.")
        if not member.is_dir():
            yield member


def _check_space(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: {what} need {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free; "
            "make room or choose another folder."
        )


def fetch_with_progress(dataset: str, to: Path | None) -> list[str]:
    """:func:`fetch` with a progress bar on a terminal. Returns lines that say what is there now."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    name, archive = archive_of(dataset)
    folder = (to or Path("data") / name).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--to {folder} is no folder.")
    console = Console(stderr=True)
    console.print(f"{name}: {archive.url} to {folder}", markup=False, highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("connecting", total=None)
        phase = ""

        def tell(what: str, done: int, total: int) -> None:
            nonlocal phase
            if what != phase:
                phase = what
                bar.reset(task, description=what)
            bar.update(task, completed=done, total=total or None)

        files, how = fetch(name, archive, folder, tell)
    return [
        f"{name}: {files} files in {folder} ({how})",
        f"next: alseg data check {dataset} --data {folder}, or make bench DATASET={dataset} DATA={folder}",
    ]
