"""The archive that a dataset is downloaded as: the ``fetch`` block of its file."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from alseg_core.errors import DataError
from alseg_core.registry import component, construct
from bench.study import DatasetFile, find


@component
class Archive:
    """A zip archive to download.

    A publisher who gives neither size nor checksum leaves the size that the server reports and the checksums inside the
    archive.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+/\S*[^/\s]$")]
    """Address of the archive; its path ends in the archive's name."""
    bytes: Annotated[int, Field(gt=0, le=10**15)] | None = None
    """Size of the archive in bytes; null = not published."""
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """MD5 checksum of the archive; null = not published."""

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
    """Return the name of a dataset and its archive.

    Raises DataError, saying where to register and which layout to make, when a program cannot download the dataset.
    """
    from alseg_core.data.readers import READERS

    file = DatasetFile(dataset, find("dataset", dataset))
    if "fetch" in file.content:
        return file.name, construct(Archive, file.content["fetch"], f"dataset {file.name!r}, fetch")
    reader = READERS.build(file.content.get("reader"))
    if file.generated:
        raise DataError(f"{file.name} is generated: nothing needs to be fetched.")
    way = file.content.get("get") or f"Its place is {file.content.get('source') or reader.source}"
    raise DataError(
        f"{file.name} cannot be fetched by this command. {str(way).strip().rstrip('.')}. "
        f"Licence: {file.content.get('licence') or reader.licence}. "
        f"Expected layout:\n{reader.layout}\nThen put the scans into {file.own_folder}, and: alseg data check {dataset}"
    )
