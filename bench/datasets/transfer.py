"""Download of one file over HTTP, resumed where it stopped and checked at the end."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alseg_core.errors import DataError
from bench.datasets.archive import Archive

if TYPE_CHECKING:
    from requests import Response

Report = Callable[[str, int, int], None]
"""Called with (phase, bytes done, bytes in total); a total of 0 is unknown."""

DOWNLOADING = "downloading"
"""Phase of a transfer in its reports."""

CHUNK = 1 << 20
"""Bytes read from disk at once."""

BLOCK = 1 << 14
"""Most bytes written at once."""

SIZE = r"[0-9]{1,18}"
"""A number of bytes in a header; longer ones are as good as none."""

TIMEOUT_S = (15.0, 60.0)
"""How long to wait for a connection and for the next bytes, in seconds."""

SLOWEST, WINDOW_S = 1000, 120.0
"""A server that sends fewer bytes per second than this, over so many seconds, is given up."""

UNANNOUNCED = 0.5
"""Share of the free space that a file may take whose size neither the dataset nor the server declares."""


class Transfer:
    """The download of an archive into ``part``, which keeps what has arrived when it is interrupted."""

    def __init__(self, archive: Archive, part: Path, report: Report) -> None:
        self._archive, self._part, self._report = archive, part, report

    def run(self) -> None:
        """Bring ``part`` to the size of the archive, from its present size where the server can resume.

        Raises DataError: no network, refused by the server, another size than published or announced, connection lost
        or too slow, disk full.
        """
        import requests
        from urllib3.exceptions import HTTPError

        done = self._done()
        if self._archive.bytes is not None and done >= self._archive.bytes:
            return  # complete; verify() finds a file that is too long
        connected = False
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
        try:
            with requests.get(self._archive.url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
                connected = True
                self._check_way(answer)
                if answer.status_code == 416 and _total(answer.headers.get("Content-Range", "")) == done > 0:
                    return
                start, total = self._offer(answer, done)
                self._receive(answer, start, total)
        except requests.exceptions.InvalidSchema as error:
            raise self._failure(f"the server redirects to what is no web address ({_reason(error)})") from None
        except requests.TooManyRedirects:
            raise self._failure("the server redirects in circles") from None
        except (requests.RequestException, HTTPError) as error:
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
        if (packed := answer.headers.get("Content-Encoding", "")).lower() not in ("", "identity"):
            raise self._failure(f"the server sent the file packed ({packed}), which was not asked for")
        length = answer.headers.get("Content-Length", "")
        total = _total(span) if resumed else int(length) if re.fullmatch(SIZE, length) else None
        expected = self._archive.bytes
        if expected is not None and total not in (None, expected):
            raise DataError(
                f"{self._archive.url}: the server offers {total} bytes, expected are {expected}; the file was replaced."
            )
        return done if resumed else 0, expected or total or 0

    def _check_way(self, answer: Response) -> None:
        """Raise DataError where a redirect has left the encrypted connection that was asked for."""
        way = [step.url for step in (*answer.history, answer)]
        if self._archive.url.startswith("https:") and (open_ := [url for url in way if not url.startswith("https:")]):
            raise self._failure(f"the server redirects to {open_[0]}, without encryption; refused")

    def _receive(self, answer: Response, start: int, total: int) -> None:
        """Write what arrives, as it arrives, and stop at the first byte that is too many."""
        check_space(self._part.parent, total - start, "the download needs")
        most, done = total or start + int(UNANNOUNCED * shutil.disk_usage(self._part.parent).free), start
        since, before = time.monotonic(), start
        with self._part.open("ab" if start else "wb") as file:
            while block := answer.raw.read1(BLOCK):
                if done + len(block) > most:
                    file.close()
                    self._part.unlink()
                    what = "that were announced" if total else "that are taken from a server that announces no size"
                    raise DataError(
                        f"{self._archive.url}: the server sends more than the {most} bytes {what}; stopped."
                    )
                done += file.write(block)
                self._report(DOWNLOADING, done, total)
                if (now := time.monotonic()) - since > WINDOW_S:
                    if done - before < SLOWEST * (now - since):
                        file.flush()
                        raise self._failure(f"the server sent {done - before} bytes in {now - since:.0f} s; stopped")
                    since, before = now, done
        if total and done < total:
            raise self._failure(f"the connection ended after {done} of {total} bytes")


def _total(content_range: str) -> int | None:
    """Return the size of the whole file from "bytes 5-9/10" or "bytes */10"."""
    found = re.search(rf"/({SIZE})$", content_range)
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
            f"{folder}: {what} {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free; "
            "make room, or choose another folder: alseg data fetch with --to, then --set data=FOLDER for the study."
        )
