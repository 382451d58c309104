"""Download of one file over HTTP, resumed where it stopped and checked at the end."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alseg_core.errors import DataError
from bench.datasets.archive import Archive

if TYPE_CHECKING:
    from requests import Response

Report = Callable[[str, int, int], None]
"""Called with (phase, bytes done, bytes in total); a total of 0 is unknown."""

CHUNK = 1 << 20
"""Bytes read from disk at once."""

BLOCK = 1 << 14
"""Bytes written at once: how much of a download is lost when the connection breaks."""

TIMEOUT_S = (15.0, 60.0)
"""How long to wait for a connection and for the next bytes, in seconds."""


class Transfer:
    """The download of an archive into ``part``, which keeps what has arrived when it is interrupted."""

    def __init__(self, archive: Archive, part: Path, report: Report) -> None:
        self._archive, self._part, self._report = archive, part, report

    def run(self) -> None:
        """Bring ``part`` to the size of the archive, from its present size where the server can resume.

        Raises DataError: no network, refused by the server, another size than published, connection lost, disk full.
        """
        import requests

        done = self._done()
        if self._archive.bytes is not None and done >= self._archive.bytes:
            return  # complete; verify() finds a file that is too long
        connected = False
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
        try:
            with requests.get(self._archive.url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
                connected = True
                if answer.status_code == 416 and _total(answer.headers.get("Content-Range", "")) == done > 0:
                    return
                start, total = self._offer(answer, done)
                self._receive(answer, start, total)
        except requests.RequestException as error:
            problem = "cannot connect; is this machine online?"
            if connected:
                problem = f"the connection ended after {self._done()} bytes"
            raise self._failure(f"{problem} ({_reason(error)})") from None

    def _done(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _failure(self, reason: str) -> DataError:
        done = self._done()
        kept = f" {done} bytes are kept; the same command continues from there." if done else ""
        return DataError(f"{self._archive.url}: {reason}.{kept}")

    def _offer(self, answer: Response, done: int) -> tuple[int, int]:
        """Return where the server's bytes start and the size of the whole file, 0 if unknown. Raises DataError."""
        if answer.status_code == 416 and done:
            self._part.unlink()
            raise self._failure("the server cannot resume the earlier download; it is deleted, try again")
        if answer.status_code not in (200, 206):
            raise self._failure(
                f"the server answered {answer.status_code} {answer.reason}; "
                "perhaps the file has moved, see the dataset's page (alseg data info)"
            )
        span = answer.headers.get("Content-Range", "")
        resumed = answer.status_code == 206
        if resumed and not span.startswith(f"bytes {done}-"):
            raise self._failure(f"the server sent {span or 'an unknown part'} instead of the bytes from {done}")
        length = answer.headers.get("Content-Length", "")
        total = _total(span) if resumed else int(length) if length.isdecimal() else None
        expected = self._archive.bytes
        if expected is not None and total not in (None, expected):
            raise DataError(
                f"{self._archive.url}: the server offers {total} bytes, expected are {expected}; the file was replaced."
            )
        return done if resumed else 0, expected or total or 0

    def _receive(self, answer: Response, start: int, total: int) -> None:
        check_space(self._part.parent, total - start, "the download")
        done = start
        with self._part.open("ab" if start else "wb") as file:
            for block in answer.iter_content(BLOCK):
                done += file.write(block)
                self._report("downloading", done, total)
        if total and done < total:
            raise self._failure(f"the connection ended after {done} of {total} bytes")


def _total(content_range: str) -> int | None:
    """Return the size of the whole file from "bytes 5-9/10" or "bytes */10"."""
    found = re.search(r"/(\d+)$", content_range)
    return int(found[1]) if found else None


def _reason(error: Exception) -> str:
    """Return the cause on one line; urllib3 wraps it in the attempt."""
    cause = error.args[0] if error.args else error
    text = re.sub(r"<[^>]* object at 0x[0-9a-f]+>:? ?", "", str(getattr(cause, "reason", cause)))
    return text if len(text) <= 200 else f"{text[:200]}..."


def verify(archive: Archive, path: Path, report: Report) -> None:
    """Raise DataError when a file does not have the published size and checksum."""
    size = path.stat().st_size
    if archive.bytes is not None and size != archive.bytes:
        raise DataError(f"{path}: {size} bytes, expected {archive.bytes}. Delete it and fetch again.")
    if archive.md5 is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            report("checking", file.tell(), size)
    if digest.hexdigest() != archive.md5:
        raise DataError(
            f"{path}: checksum {digest.hexdigest()}, expected {archive.md5}. Fetch again; if it stays so, the file at "
            f"{archive.url} was replaced."
        )


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise DataError when ``needed`` bytes are more than the disk of ``folder`` has free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: {what} need {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free; "
            "make room or choose another folder."
        )
