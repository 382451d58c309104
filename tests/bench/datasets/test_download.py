"""Downloads from a real server on this machine."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.errors import ConfigError, DataError
from bench.datasets.archive import Archive, archive_of
from bench.datasets.download import fetch
from tests.bench.datasets.archive_server import Server


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    running.content = archive_with(
        {"Sets/CT/1/a.dcm": noise(60_000), "Sets/CT/2/b.dcm": noise(9_000), "Sets/empty": b""}
    )
    yield running
    running.close()


def noise(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


def archive_with(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Sets/", b"")
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def of(server: Server, checked: bool = True) -> Archive:
    md5 = hashlib.md5(server.content).hexdigest()
    sums: dict[str, Any] = {"bytes": len(server.content), "md5": md5} if checked else {}
    return Archive(url=server.url, **sums)


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".gitignore"}


UNPACKED = {"Sets/CT/1/a.dcm", "Sets/CT/2/b.dcm", "Sets/empty", ".fetched-sets.json"}


@pytest.mark.parametrize("checked", [True, False])
def test_fetched_once_and_not_again(server, tmp_path, checked):
    told = []
    files, how = fetch("sets", of(server, checked), tmp_path / "to", lambda *at: told.append(at))
    assert files == 3
    assert ("md5" in how) == checked and ("no checksum is published" in how) != checked
    assert left(tmp_path / "to") - {".fetch.lock"} == UNPACKED
    assert (tmp_path / "to/Sets/CT/1/a.dcm").read_bytes() == noise(60_000)
    assert ("downloading", len(server.content), len(server.content)) in told
    assert ("unpacking", 69_000, 69_000) in told
    assert server.requests == [""]
    assert fetch("sets", of(server, checked), tmp_path / "to") == (3, "fetched before, nothing to do")
    assert server.requests == [""]
    (tmp_path / "to/Sets").rename(tmp_path / "moved")
    fetch("sets", of(server, checked), tmp_path / "to")
    assert server.requests == ["", ""]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on(server, tmp_path, ranges, checked):
    server.ranges, server.cut = ranges, 20_000
    with pytest.raises(
        DataError, match="the connection ended after .* bytes are kept; the same command continues"
    ) as told:
        fetch("sets", of(server, checked), tmp_path)
    kept = (tmp_path / "sets.zip.part").read_bytes()
    assert 10_000 < len(kept) <= 20_000 and kept == server.content[: len(kept)]
    assert f"{len(kept)} bytes are kept" in str(told.value)
    server.cut = None
    assert fetch("sets", of(server, checked), tmp_path)[0] == 3
    assert server.requests == ["", f"bytes={len(kept)}-"]
    assert (tmp_path / "Sets/CT/1/a.dcm").read_bytes() == noise(60_000)


@pytest.mark.parametrize("checked", [True, False])
def test_a_whole_download_that_was_not_unpacked_is_used(server, tmp_path, checked):
    (tmp_path / "sets.zip.part").write_bytes(server.content)
    assert fetch("sets", of(server, checked), tmp_path)[0] == 3
    assert server.requests == ([] if checked else [f"bytes={len(server.content)}-"])


def test_an_archive_that_lies_there_is_used_and_kept(server, tmp_path):
    (tmp_path / "sets.zip").write_bytes(server.content)
    assert fetch("sets", of(server), tmp_path)[0] == 3
    assert server.requests == []
    assert (tmp_path / "sets.zip").exists()


def test_wrong_checksum(server, tmp_path):
    wrong = Archive(url=server.url, bytes=len(server.content), md5="0" * 32)
    with pytest.raises(DataError, match=r"checksum [0-9a-f]{32}, expected 0{32}"):
        fetch("sets", wrong, tmp_path)
    assert left(tmp_path) <= {".fetch.lock"}


def test_wrong_size(server, tmp_path):
    with pytest.raises(DataError, match=f"offers {len(server.content)} bytes, expected are 5; the file was replaced"):
        fetch("sets", Archive(url=server.url, bytes=5), tmp_path)
    (tmp_path / "sets.zip.part").write_bytes(b"longer")
    with pytest.raises(DataError, match="6 bytes, expected 5"):
        fetch("sets", Archive(url=server.url, bytes=5), tmp_path)
    assert left(tmp_path) <= {".fetch.lock"}


def test_a_part_of_something_longer_is_given_up(server, tmp_path):
    (tmp_path / "sets.zip.part").write_bytes(server.content + b"more")
    with pytest.raises(DataError, match="it is deleted, try again"):
        fetch("sets", of(server, False), tmp_path)
    assert fetch("sets", of(server, False), tmp_path)[0] == 3


def test_not_found(server, tmp_path):
    gone = Archive(url=server.url.replace("sets.zip", "gone.zip"))
    with pytest.raises(DataError, match=r"gone\.zip\?download=1: the server answered 404 Not Found"):
        fetch("sets", gone, tmp_path)


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(DataError, match="cannot connect; is this machine online?") as caught:
        fetch("sets", Archive(url="http://127.0.0.1:1/sets.zip"), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"no archive", "cut", "flipped"])
def test_no_archive_or_a_damaged_one(server, tmp_path, damage):
    whole = server.content
    flipped = bytearray(whole)
    flipped[5_000] ^= 255
    server.content = {"cut": whole[:40_000], "flipped": bytes(flipped)}.get(damage, damage)
    with pytest.raises(DataError, match="not a readable zip archive"):
        fetch("sets", of(server, False), tmp_path)
    assert not (tmp_path / "Sets").exists()


def linked() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("Sets/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("../outside", b"x", "outside the folder"),
        ("Sets/../../outside", b"x", "outside the folder"),
        ("/tmp/outside", b"x", "outside the folder"),
        ("C:/outside", b"x", "outside the folder"),
        ("..\\outside", b"x", "outside the folder"),
        (linked(), b"/etc/passwd", "a link or device"),
        ("Sets/zeros", b"\0" * 50_000_000, "more than 100 times as much; refused"),
    ],
)
def test_evil_archives_are_refused_before_anything_is_written(server, tmp_path, name, content, words):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Sets/good", b"good")
        info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
        info.filename = name if isinstance(name, str) else info.filename
        file.writestr(info, content, zipfile.ZIP_DEFLATED)
    server.content = buffer.getvalue()
    to = tmp_path / "deep" / "to"
    with pytest.raises(DataError, match=words):
        fetch("sets", of(server), to)
    assert left(tmp_path) <= {"deep/to/sets.zip", "deep/to/.fetch.lock", "deep/to/.gitignore"}


def test_an_archive_that_lies_about_a_size_is_found_out(server, tmp_path):
    raw = bytearray(archive_with({"Sets/zeros": bytes(5000)}))
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = (100).to_bytes(4, "little")  # the declared size of the last file
    server.content = bytes(raw)
    with pytest.raises(DataError, match="not a readable zip archive"):
        fetch("sets", of(server), tmp_path)
    assert not (tmp_path / "Sets").exists()


def test_what_is_there_is_not_overwritten(server, tmp_path):
    (tmp_path / "Sets").mkdir()
    (tmp_path / "Sets/mine").write_text("mine")
    with pytest.raises(DataError, match="Sets exists already and would be overwritten"):
        fetch("sets", of(server), tmp_path)
    assert left(tmp_path) - {".fetch.lock"} == {"Sets/mine", "sets.zip"}
    (tmp_path / "Sets").rename(tmp_path / "elsewhere")
    assert fetch("sets", of(server), tmp_path)[0] == 3
    assert len(server.requests) == 1


def test_files_that_were_deleted_are_placed_again_and_the_others_stay(server, tmp_path):
    fetch("sets", of(server), tmp_path)
    (tmp_path / "Sets/CT/1/a.dcm").unlink()
    (tmp_path / "Sets/mine").write_text("mine")
    kept = (tmp_path / "Sets/CT/2/b.dcm").stat()
    files, how = fetch("sets", of(server), tmp_path)
    assert files == 3 and how.startswith("1 of them were missing and have been placed again")
    assert (tmp_path / "Sets/CT/1/a.dcm").read_bytes() == noise(60_000)
    assert (tmp_path / "Sets/CT/2/b.dcm").stat() == kept
    assert left(tmp_path) - {".fetch.lock"} == {*UNPACKED, "Sets/mine"}
    assert fetch("sets", of(server), tmp_path) == (3, "fetched before, nothing to do")


def test_a_kill_between_two_files_is_repaired(server, tmp_path, monkeypatch):
    """The process ends once the first file is in its place."""
    moved: list[Path] = []
    rename = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if ".unpacking" in str(path) and moved:
            raise KeyboardInterrupt
        moved.append(path)
        return rename(path, target)

    server.content = archive_with({"one/a": noise(5_000), "two/b": noise(6_000), "c": noise(7_000)})
    (tmp_path / "sets.zip").write_bytes(server.content)
    with monkeypatch.context() as context:
        context.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch("sets", of(server), tmp_path)
    whole = {"one/a", "two/b", "c"}
    assert len(left(tmp_path) & whole) == 1
    assert fetch("sets", of(server), tmp_path)[0] == 3
    assert left(tmp_path) & whole == whole and (tmp_path / "two/b").read_bytes() == noise(6_000)


def test_what_is_in_the_way_of_a_repair_is_told_before_the_download(server, tmp_path):
    fetch("sets", of(server), tmp_path)
    (tmp_path / "Sets/CT/1/a.dcm").write_bytes(b"another")
    (tmp_path / "Sets/empty").unlink()
    (tmp_path / "Sets/empty").mkdir()
    (tmp_path / "Sets/CT/2/b.dcm").unlink()
    (tmp_path / "Sets/CT/2").rmdir()
    (tmp_path / "Sets/CT/2").write_text("no folder")
    asked = list(server.requests)
    with pytest.raises(DataError) as caught:
        fetch("sets", of(server), tmp_path)
    assert server.requests == asked
    message = str(caught.value)
    assert message.startswith("3 problems")
    assert f"{tmp_path}/Sets/CT/1/a.dcm: 7 bytes, 60000 in the archive" in message
    assert f"{tmp_path}/Sets/empty: is not a file here" in message
    assert f"{tmp_path}/Sets/CT/2: is not a folder here" in message
    assert (tmp_path / "Sets/CT/1/a.dcm").read_bytes() == b"another"


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b.zip", "b.zip"), ("..%2F..%2Fb.zip", "b.zip"), ("a%2fb%20c.ZIP?x=1", "b c.ZIP"), ("..%5Cb.zip", "b.zip")],
)
def test_the_archive_stays_in_the_folder(path, name):
    assert Archive(url=f"https://h/{path}").file == name


@pytest.mark.parametrize("path", ["..", "%2E%2E", "a/.", "a%2F", "b.tar", "b", ".zip", "b%00.zip", "d?f=b.zip"])
def test_an_address_without_the_name_of_an_archive(tmp_path, path):
    (tmp_path / "d.yaml").write_text(f"reader: chaos\nfetch: {{url: 'https://h/{path}'}}\n")
    with pytest.raises(ConfigError, match=r"must end in the name of a \.zip archive"):
        archive_of(str(tmp_path / "d.yaml"))


def test_too_little_space(server, tmp_path):
    huge = Archive(url=server.url, bytes=10**15)
    server.told = 10**15
    with pytest.raises(DataError, match=r"the download needs 1000000\.00 GB"):
        fetch("sets", huge, tmp_path)


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        fetch("sets", of(server), tmp_path / "file" / "to")


@pytest.mark.parametrize("name", ["chaos", "davis"])
def test_the_catalogue_says_what_to_fetch(name):
    archive = archive_of(name)[1]
    assert archive.url.startswith("https://") and archive.file.endswith(".zip")


def test_the_catalogue_knows_the_checksum_of_chaos():
    archive = archive_of("chaos")[1]
    assert (archive.bytes, archive.md5) == (890_771_694, "df21053002a1cc86df918a87da3b2c19")
    assert archive.file == "CHAOS_Train_Sets.zip"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("acdc", "humanheart-project.creatis.*patientNNN_frameFF_gt"),
        ("mscmr", "register at.*zmiclab"),
        ("acdc_h5", r"Clone https://github.com/HiLab-git/WSL4MIS.*data/ACDC\. Licence: CC BY-NC-SA"),
        ("nifti_folder", r"your own files.*images/NAME\.nii\.gz"),
        ("phantom", "generated: nothing needs to be fetched"),
    ],
)
def test_what_cannot_be_fetched_says_where_it_is(name, words):
    with pytest.raises(DataError, match=re.compile(words, re.DOTALL)):
        archive_of(name)


def test_a_wrong_fetch_block(tmp_path):
    (tmp_path / "d.yaml").write_text("reader: phantom\nfetch: {url: 'ftp://x/y.zip', md: 1}\n")
    with pytest.raises(ConfigError, match=r"fetch: unknown field 'md'\. Did you mean 'md5'.*url: "):
        archive_of(str(tmp_path / "d.yaml"))


def test_no_network_in_the_middle(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "sets.zip.part").write_bytes(server.content[:100])
    with pytest.raises(DataError, match="cannot connect; is this machine online.* 100 bytes are kept"):
        fetch("sets", Archive(url="http://127.0.0.1:1/sets.zip"), tmp_path)
