"""The scans that a study lacks and that this program can download, because their source is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alseg_core.errors import ConfigError
from alseg_core.registry import construct
from alseg_core.visible import visible
from bench.datasets.archive import Archive
from bench.datasets.fetch_bar import FetchBar, size
from bench.datasets.unpack import Record, missing_files
from bench.study import DatasetFile
from bench.study.dataset_file import STUDY_HINT
from bench.study.typeable import typeable

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Download:
    """Scans of one dataset that are missing, wholly or in part."""

    file: DatasetFile
    """The dataset."""
    archive: Archive
    """What is to be downloaded."""
    lack: str
    """What is missing."""

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.file.name

    @property
    def folder(self) -> Path:
        """Absolute folder for its files."""
        return self.file.own_folder.absolute()

    @property
    def amount(self) -> str:
        """Size of the archive as text."""
        return size(self.archive.bytes) if self.archive.bytes else "an archive of unpublished size"

    def terms(self) -> str:
        """Return the licence, with what it means for a user, and the page of the data."""
        from alseg_core.data.readers import READERS

        reader = READERS.build(self.file.content.get("reader"))
        licence = str(self.file.content.get("licence") or reader.licence)
        limits = " (non-commercial use only)" if "NC" in licence else ""
        return f"licence: {licence}{limits}; source: {self.file.content.get('source') or reader.source}"

    @property
    def lies_there(self) -> bool:
        """Whether the archive is in the folder already, so that it only needs to be unpacked."""
        return (self.folder / self.archive.file).is_file()

    def arrived(self) -> int:
        """Return how many bytes an earlier download has left."""
        part = self.folder / f"{self.archive.file}.part"
        return part.stat().st_size if part.exists() else 0

    def refuse(self) -> ConfigError:
        """Return the error of a study that must not download."""
        problem = f"{self.lack}, and --no-download was given: without it, {self.amount} would be downloaded"
        return ConfigError(self.file.missing(problem, STUDY_HINT))


def downloads_of(files: Sequence[DatasetFile], data: str | Mapping[str, str] | None) -> list[Download]:
    """Return what has to be downloaded before ``files`` can be used.

    data: the folders that the user gave, one or dataset -> folder; nothing is ever downloaded for these datasets. Scans
    that were put into ``data/NAME`` by hand are taken as they are.

    Raises DataError where files of an earlier download are in the way.
    """
    found = []
    for file in files:
        if "fetch" in file.content and file.given(data) is None and not file.generated:
            archive = construct(Archive, file.content["fetch"], f"dataset {file.name!r}, fetch")
            if lack := _lack(file, archive):
                found.append(Download(file, archive, lack))
    return found


def _lack(file: DatasetFile, archive: Archive) -> str | None:
    folder = file.own_folder.absolute()
    known = Record(folder / f".fetched-{file.name}.json").read(archive)
    if known is None:
        absent = file.absence(None)
        left = absent and (folder / f"{archive.file}.part").exists()
        return f"an earlier download to {folder} is incomplete" if left else absent
    missing = len(missing_files(folder, known))
    return f"{missing:,} of {len(known):,} files are missing in {folder}" if missing else None


def announce(found: Sequence[Download], then: str, console: Console) -> None:
    """Print what would be downloaded, under which terms, and to where. then: what would follow, "execute 5 runs"."""
    for each in found:
        verb = (
            f"unpack {each.archive.file} in"
            if each.lies_there
            else f"download {each.amount} from {each.archive.url} to"
        )
        _say(console, f"{each.name}: {each.lack}.")
        _say(console, f"{each.name}: would {verb} {each.folder}")
        _say(console, f"  {each.terms()}")
    _say(console, f"then it would {then}; how long that takes can be estimated once the scans are there")


def bring(found: Sequence[Download], console: Console, allowed: bool) -> None:
    """Download what is missing, one dataset after another, and show how far it is.

    Raises ConfigError where downloads are not allowed, else as :func:`bench.datasets.download.fetch`. An interrupt
    says that the same command continues.
    """
    from bench.datasets.download import fetch

    for each in found:
        if not (allowed or each.lies_there):
            raise each.refuse()
    for each in found:
        _say(console, f"{each.name}: {each.lack}.")
        if each.lies_there:
            _say(console, f"{each.name}: unpacking {each.archive.file}, which lies there")
        else:
            arrived = each.arrived()
            kept = f" ({size(arrived)} of it are there already)" if arrived else ""
            _say(console, f"{each.name}: downloading {each.amount}{kept} from {each.archive.url} to {each.folder}")
            _say(console, "  Ctrl-C stops, the same command continues; --set data=FOLDER takes scans that you have")
        _say(console, f"  {each.terms()}")
        elsewhere = f"alseg data fetch {each.file.entry} --to FOLDER downloads to another folder"
        try:
            with FetchBar(each.name, console) as bar:
                files, how = fetch(each.name, each.archive, each.folder, bar, elsewhere)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command continues the download") from None
        _say(console, f"{each.name}: {files:,} files in {each.folder} ({how})")


def _say(console: Console, text: str) -> None:
    console.print(typeable(visible(text)), markup=False, highlight=False, soft_wrap=True)
