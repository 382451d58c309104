"""Servers that do not keep to what they announce, and archives made to do harm."""

from __future__ import annotations

import gzip
import io
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alseg_core.errors import DataError
from bench.datasets import transfer
from bench.datasets.archive import Archive
from bench.datasets.download import fetch
from tests.bench.datasets.test_download import archive_with, noise

CONTENT = archive_with({"Sets/a": noise(60_000)})
MUCH = 300_000_000
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers every request with ``answer``; ``sent`` counts the bytes of endless answers."""

    def __init__(self) -> None:
        self.answer: Answer = lambda request: None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    server.answer(self)
                except OSError:  # the client has hung up
                    server.cut_off.set()

            def log_message(self, *args: object) -> None:
                pass

        self.cut_off = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/sets.zip"
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def headed(request: BaseHTTPRequestHandler, status: int = 200, /, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()


def endless(request: BaseHTTPRequestHandler) -> None:
    """Send an archive and then zeros, without a size."""
    headed(request)
    request.wfile.write(CONTENT)
    for _ in range(MUCH // 100_000):
        request.wfile.write(bytes(100_000))


def chunked(request: BaseHTTPRequestHandler) -> None:
    request.protocol_version = "HTTP/1.1"
    headed(request, Transfer_Encoding="chunked")
    for _ in range(MUCH // 100_000):
        request.wfile.write(b"186a0\r\n" + bytes(100_000) + b"\r\n")


def trickle(request: BaseHTTPRequestHandler) -> None:
    headed(request, Content_Length=str(len(CONTENT)))
    for byte in CONTENT:
        request.wfile.write(bytes([byte]))
        time.sleep(0.02)


def packed(request: BaseHTTPRequestHandler) -> None:
    body = gzip.compress(bytes(50_000_000), 1)
    headed(request, Content_Encoding="gzip", Content_Length=str(len(body)))
    request.wfile.write(body)


def redirected(to: str) -> Answer:
    return lambda request: headed(request, 302, Location=to)


def in_circles(request: BaseHTTPRequestHandler) -> None:
    headed(request, 302, Location=f"{request.path}?")


def whole(request: BaseHTTPRequestHandler, content: bytes = CONTENT, length: str | None = None) -> None:
    headed(request, 200, **({} if length is None else {"Content_Length": length}))
    request.wfile.write(content)


HOSTILE: dict[str, tuple[Answer, str]] = {
    "more than the dataset declares": (
        endless,
        f"sends more than the {len(CONTENT)} bytes that were announced; stopped",
    ),
    "more, in chunks": (chunked, f"sends more than the {len(CONTENT)} bytes that were announced; stopped"),
    "less": (lambda r: whole(r, length="5"), f"offers 5 bytes, expected are {len(CONTENT)}"),
    "an announcement of more": (lambda r: whole(r, length=str(10**12)), "offers 1000000000000 bytes"),
    "a redirect to a file": (redirected("file:///etc/passwd"), "redirects to what is no web address"),
    "a redirect to another protocol": (redirected("ftp://127.0.0.1/sets.zip"), "redirects to what is no web address"),
    "redirects in circles": (in_circles, "the server redirects in circles"),
    "a packed answer": (packed, r"sent the file packed \(gzip\), which was not asked for"),
    "a part that was not asked for": (
        lambda r: headed(r, 206, Content_Range=f"bytes 9-{len(CONTENT) - 1}/{len(CONTENT)}"),
        "sent bytes 9-.* instead of the bytes from 0",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.timeout(60)
def test_a_server_that_does_not_keep_to_it_is_cut_off(server: Server, tmp_path: Path, what: str) -> None:
    server.answer, told = HOSTILE[what]
    with pytest.raises(DataError, match=told) as error:
        fetch("sets", Archive(url=server.url, bytes=len(CONTENT)), tmp_path)
    assert "\n" not in str(error.value) and not (tmp_path / "Sets").exists()
    kept = tmp_path / "sets.zip.part"
    assert not kept.exists() or kept.stat().st_size <= len(CONTENT)
    if server.answer in (endless, chunked):
        assert server.cut_off.wait(10)


@pytest.mark.timeout(60)
def test_what_follows_the_announced_length_is_not_read(server: Server, tmp_path: Path) -> None:
    def longer(request: BaseHTTPRequestHandler) -> None:
        whole(request, length=str(len(CONTENT)))
        for _ in range(MUCH // 100_000):
            request.wfile.write(bytes(100_000))

    server.answer = longer
    assert fetch("sets", Archive(url=server.url), tmp_path)[0] == 1
    assert (tmp_path / "Sets/a").read_bytes() == noise(60_000) and server.cut_off.wait(10)


@pytest.mark.timeout(60)
def test_without_any_size_a_part_of_the_disk_is_the_limit(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = endless
    monkeypatch.setattr(transfer, "UNANNOUNCED", 1e-9)
    with pytest.raises(DataError, match="bytes that are taken from a server that announces no size; stopped"):
        fetch("sets", Archive(url=server.url), tmp_path)
    assert server.cut_off.wait(10) and not (tmp_path / "sets.zip.part").exists()


@pytest.mark.timeout(60)
def test_a_trickle_is_given_up_and_goes_on_later(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = trickle
    monkeypatch.setattr(transfer, "WINDOW_S", 0.3)
    with pytest.raises(DataError, match="the server sent [0-9]+ bytes in 0 s; stopped. [0-9]+ bytes are kept"):
        fetch("sets", Archive(url=server.url, bytes=len(CONTENT)), tmp_path)
    kept = (tmp_path / "sets.zip.part").read_bytes()
    assert kept == CONTENT[: len(kept)]

    def rest(request: BaseHTTPRequestHandler) -> None:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        headed(request, 206, Content_Range=span, Content_Length=str(len(CONTENT) - start))
        request.wfile.write(CONTENT[start:])

    server.answer = rest
    assert fetch("sets", Archive(url=server.url, bytes=len(CONTENT)), tmp_path)[0] == 1


@pytest.mark.parametrize("length", ["9" * 5000, "-5", "5x", "٣"])
def test_a_length_that_is_none_is_as_good_as_no_length(server: Server, tmp_path: Path, length: str) -> None:
    server.answer = lambda request: whole(request, length=length.encode().decode("latin-1"))
    assert fetch("sets", Archive(url=server.url, bytes=len(CONTENT)), tmp_path)[0] == 1


def test_a_redirect_out_of_the_encryption_is_refused(tmp_path: Path) -> None:
    import requests

    step, answer = requests.Response(), requests.Response()
    step.url, answer.url, answer.history = "https://host/sets.zip", "http://host/sets.zip", [step]
    download = transfer.Transfer(Archive(url=step.url), tmp_path / "part", lambda *_: None)
    with pytest.raises(DataError, match="redirects to http://host/sets.zip, without encryption; refused"):
        download._check_way(answer)


def test_a_part_that_does_not_follow_what_is_there_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "sets.zip.part").write_bytes(CONTENT[:10])
    span = f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"
    server.answer = lambda request: headed(request, 206, Content_Range=span)
    with pytest.raises(DataError, match=f"sent {span} instead of the bytes from 10"):
        fetch("sets", Archive(url=server.url, bytes=len(CONTENT)), tmp_path)
    assert (tmp_path / "sets.zip.part").read_bytes() == CONTENT[:10]


def named(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    return info


MEMBERS: dict[str, tuple[list[zipfile.ZipInfo], int, str]] = {
    "a device": ([named("Sets/null", stat.S_IFCHR)], zipfile.ZIP_DEFLATED, "a link or device"),
    "a pipe": ([named("Sets/pipe", stat.S_IFIFO)], zipfile.ZIP_DEFLATED, "a link or device"),
    "a socket": ([named("Sets/socket", stat.S_IFSOCK)], zipfile.ZIP_DEFLATED, "a link or device"),
    "the same place twice": ([named("Sets/a"), named("Sets/./a")], zipfile.ZIP_DEFLATED, "'Sets/./a' twice"),
    "a file in a file": (
        [named("Sets/a"), named("Sets/a/b")],
        zipfile.ZIP_DEFLATED,
        "'Sets/a' as a file and as a folder",
    ),
    "control characters": ([named("Sets/\x1b[31m")], zipfile.ZIP_DEFLATED, "which is no name of a file"),
    "a name without end": ([named("Sets/" + "a" * 300)], zipfile.ZIP_DEFLATED, "which is no name of a file"),
    "the record of this command": ([named(".fetched-sets.json")], zipfile.ZIP_DEFLATED, "uses itself"),
    "the lock of this command": ([named(".fetch.lock")], zipfile.ZIP_DEFLATED, "uses itself"),
    "a way of compression with much memory": ([named("Sets/a")], zipfile.ZIP_LZMA, "not compressed as zip archives"),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_members_that_do_harm_are_refused(server: Server, tmp_path: Path, what: str) -> None:
    members, method, told = MEMBERS[what]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for info in members:
            file.writestr(info, b"content", method)
    server.answer = lambda request: whole(request, buffer.getvalue())
    with pytest.raises(DataError, match=told) as error:
        fetch("sets", Archive(url=server.url), tmp_path)
    assert str(error.value).isprintable()
    assert {path.name for path in tmp_path.iterdir()} <= {"sets.zip", ".fetch.lock", ".gitignore"}


def test_too_many_members_are_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.datasets.unpack.MEMBERS", 5)
    server.answer = lambda request: whole(request, archive_with({f"Sets/{i}": b"x" for i in range(9)}))
    with pytest.raises(DataError, match="holds 10 files, more than 5; refused"):
        fetch("sets", Archive(url=server.url), tmp_path)
