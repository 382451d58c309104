"""Unpacking of a zip archive within one folder, without overwriting anything."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alseg_core.atomic import write_atomic
from alseg_core.data.readers.reader import complaint
from alseg_core.errors import DataError
from alseg_core.visible import visible
from bench.datasets.archive import Archive
from bench.datasets.transfer import CHUNK, Report, check_space

MEMBERS = 500_000
"""Most files and folders of an archive."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways of compression that are unpacked; others may ask for gigabytes of memory."""
INFLATION = 100
"""An archive that declares more than this many times its own size is refused; images shrink by less than ten times."""


@dataclass(frozen=True)
class Record:
    """The file beside an unpacked archive that lists its files."""

    path: Path

    def read(self, archive: Archive) -> dict[str, int] | None:
        """Return the size of each file that was, or was about to be, placed from the same archive; None if none was."""
        try:
            content = json.loads(self.path.read_text())
            same = content["url"] == archive.url and content["md5"] == archive.md5
            files = {str(file): int(size) for file, size in content["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return files if same else None

    def write(self, archive: Archive, sizes: Mapping[str, int]) -> None:
        """List the files of an archive."""
        write_atomic(self.path, json.dumps({"url": archive.url, "md5": archive.md5, "files": dict(sizes)}))


def missing_files(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """Return the files that the folder lacks. Raises DataError naming every path that holds something else."""
    missing: list[str] = []
    problems: list[str] = []
    for file, size in sizes.items():
        path = folder / file
        if path.is_file():
            if path.stat().st_size != size:
                problems.append(f"{path}: {path.stat().st_size} bytes, {size} in the archive.")
        elif path.exists() or path.is_symlink():
            problems.append(f"{path}: is not a file here but is one in the archive.")
        else:
            first = next(above for above in path.parents if above.exists() or above.is_symlink())
            if first.is_dir():
                missing.append(file)
            else:
                problems.append(f"{first}: is not a folder here but is one in the archive.")
    if problems:
        message = complaint(list(dict.fromkeys(problems)), f"what was fetched into {folder} before")
        raise DataError(
            f"{message}\nMove or delete what is in the way; the same command then places the missing files."
        )
    return missing


def unpack(path: Path, archive: Archive, record: Record, report: Report) -> int:
    """Unpack an archive into its folder and return the number of its files.

    Files are unpacked aside and then moved into place, so that half an archive is never taken for a whole one. Files
    that the record lists stay as they are; without a record nothing may be in the way. Raises DataError.
    """
    folder = path.parent
    aside = folder / f"{path.name}.unpacking"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as file:
            sizes = {member.filename: member.file_size for member in _safe(file, path)}
            if record.read(archive) is None:
                _check_free(folder, sizes, path)
            wanted = missing_files(folder, sizes)
            total = sum(sizes[name] for name in wanted)
            check_space(folder, total, "the unpacked files need")
            aside.mkdir()
            done = 0
            for name in wanted:
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(name) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)  # never more than declared, and the CRC is compared
                done += sizes[name]
                report("unpacking", done, total)
        record.write(archive, sizes)  # before the first move, so that an interruption leaves the rest known as missing
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
    """Raise DataError when the folder already has a file or folder named as one at the top of the archive."""
    taken = sorted(name for name in {PurePosixPath(name).parts[0] for name in names} if (folder / name).exists())
    if taken:
        raise DataError(
            f"{folder / taken[0]} exists already and would be overwritten; "
            f"move or delete it, or choose another folder. The archive is kept as {path}."
        )


def _safe(file: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Return the files of an archive. Raises DataError for anything that would leave the folder or fill the disk."""
    size, members = path.stat().st_size, file.infolist()
    declared = sum(member.file_size for member in members)
    if declared > INFLATION * size:
        raise DataError(
            f"{path}: the archive of {size} bytes would unpack to {declared}, more than {INFLATION} times as much; "
            "refused."
        )
    if len(members) > MEMBERS:
        raise DataError(f"{path}: the archive holds {len(members)} files, more than {MEMBERS}; refused.")
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for member in members:
        name, place = visible(member.filename, 200), PurePosixPath(member.filename)
        if fault := _fault(member, path.name):
            raise DataError(f"{path}: the archive holds {name!r}, {fault}; refused.")
        if place in files:
            raise DataError(f"{path}: the archive holds {name!r} twice; refused.")
        (folders if member.is_dir() else files).add(place)
        folders.update(place.parents)
    if both := files & folders:
        raise DataError(f"{path}: the archive holds {str(min(both))!r} as a file and as a folder; refused.")
    return [member for member in members if not member.is_dir()]


def _fault(member: zipfile.ZipInfo, archive: str) -> str:
    """Return why a member must not be unpacked, or ""."""
    name, parts = member.filename, PurePosixPath(member.filename).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        return "which would be outside the folder"
    if not name.isprintable() or len(name.encode()) > 1000 or max(len(part.encode()) for part in parts) > 255:
        return "which is no name of a file"
    if parts[0].startswith((".fetch", f"{archive}.")):
        return "a name that this command uses itself"
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or device"
    if member.flag_bits & 1:
        return "which is encrypted"
    if member.compress_type not in METHODS:
        return "which is not compressed as zip archives commonly are"
    return ""
