"""The file of a bundle: a ZIP archive with the same bytes for the same content, opened as that of a stranger."""

from __future__ import annotations

import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from alseg_core.atomic import replacing
from alseg_core.errors import ResultsError
from alseg_core.visible import visible
from bench.study import foreign

MANIFEST = "bundle.json"
"""Member that describes all others."""
MEMBER = re.compile(
    r"bundle\.json|study\.json|runs/[^/\\]{1,255}/(config\.json|environment\.json|failure\.json|rounds\.jsonl)"
)
"""Names that members may have."""
MADE = (1980, 1, 1, 0, 0, 0)
"""Time of every member, so that the same results give the same bytes."""
LEVEL = 9
"""Level of compression."""
MODE = 0o644
"""Permissions of every member."""
FILE_BYTES = 200_000_000
"""Largest file that is opened; 90 runs of three rounds on ACDC have about 3 MB."""
UNPACKED_BYTES = 2_000_000_000
"""Most bytes that all members have together."""
MEMBERS = 40_000
"""Most members; each run has three or four."""
DIRECTORY_BYTES = 16_000_000
"""Largest table of contents of the archive, which is read at once."""
END = struct.Struct("<4s4H2LH")
"""Last record of a ZIP archive; its sixth number is the size of the table of contents."""
COMMENT = 65_535
"""Longest comment, which stands after the last record."""
CHUNK = 2**20
"""Bytes that are unpacked at once."""
FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OSError,
    struct.error,
)
"""What ``zipfile`` raises for files that are no archives, damaged or encrypted."""


def write(folder: Path, path: Path) -> None:
    """Write all files below ``folder`` to an archive: sorted, with one time and one level of compression."""
    names = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name, MADE)
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
            member.external_attr = (stat.S_IFREG | MODE) << 16
            archive.writestr(member, (folder / name).read_bytes(), compresslevel=LEVEL)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack an archive to a temporary folder. Raises ResultsError for anything that :func:`write` does not write."""
    with tempfile.TemporaryDirectory(prefix="alseg-bundle-") as temporary:
        folder = Path(temporary)
        try:
            with foreign.opened(path, FILE_BYTES) as file:
                _check_directory(file)
                with zipfile.ZipFile(file) as archive:
                    members = archive.infolist()
                    _check_members(members)
                    for member in members:
                        _unpack(archive, member, folder)
        except FileNotFoundError:
            raise ResultsError(f"{path} does not exist; alseg bundle pack writes bundles.") from None
        except ResultsError as error:
            raise ResultsError(f"{path} is no bundle that can be read: {error}") from None
        except FAULTS as error:
            reason = str(error) or type(error).__name__
            raise ResultsError(f"{path} is no bundle that can be read: {visible(reason, 200)}.") from None
        yield folder


def _check_directory(file: BinaryIO) -> None:
    """Raise ResultsError where the table of contents is missing or larger than any bundle's."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - COMMENT - END.size))
    tail = file.read()
    start = tail.rfind(b"PK\5\6")
    if start < 0 or len(tail) - start < END.size:
        raise ResultsError("it is no ZIP archive.")
    directory = END.unpack_from(tail, start)[5]
    if directory > DIRECTORY_BYTES:
        raise ResultsError(f"its table of contents has {directory:,} bytes, and at most {DIRECTORY_BYTES:,} are read.")
    file.seek(0)


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    """Raise ResultsError for numbers, names, kinds and sizes that no bundle has."""
    if len(members) > MEMBERS:
        raise ResultsError(f"it holds {len(members):,} members, and at most {MEMBERS:,} are read.")
    names = [member.filename for member in members]
    for name in names:
        if not MEMBER.fullmatch(name) or not name.isprintable() or ".." in name.split("/"):
            raise ResultsError(
                f"it holds {visible(name, 100)!r}; a bundle holds {MANIFEST}, study.json and JSON files of its runs."
            )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ResultsError(f"it holds {visible(twice, 100)!r} twice.")
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.flag_bits & 1:
            raise ResultsError(f"{visible(member.filename, 100)!r} is a link, no file, or encrypted.")
        most = foreign.MOST[Path(member.filename).suffix]
        if member.file_size > most:
            raise ResultsError(f"{member.filename!r} has {member.file_size:,} bytes, and at most {most:,} are read.")
    total = sum(member.file_size for member in members)
    if total > UNPACKED_BYTES:
        raise ResultsError(f"it unpacks to {total:,} bytes, and at most {UNPACKED_BYTES:,} are read.")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """Unpack a member. Raises ResultsError if it has more bytes than it says, which the checks before relied on."""
    place = folder / member.filename
    place.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, place.open("xb") as target:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ResultsError(f"{member.filename!r} has more bytes than it says.")
            target.write(chunk)
