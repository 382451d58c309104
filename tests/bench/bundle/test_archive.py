"""A bundle is the file of a stranger: whatever it is, the check says in one line what is wrong."""

from __future__ import annotations

import json
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from alseg_core.errors import ResultsError
from bench.bundle import archive
from bench.bundle.check import FORM, check
from tests.bench.bundle.test_forgeries import problems

Members = dict[str, bytes]


def members(path: Path) -> Members:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def written(path: Path, content: Members, mode: int = 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (stat.S_IFREG | mode) << 16
            file.writestr(member, data)
    return path


def manifest(content: Members, **changes: object) -> Members:
    return {**content, "bundle.json": json.dumps({**json.loads(content["bundle.json"]), **changes}).encode()}


def first_round(content: Members, change: Callable[[bytes], bytes]) -> Members:
    name = next(name for name in content if name.endswith("rounds.jsonl"))
    return {**content, name: change(content[name])}


WRONG: list[tuple[Callable[[Members], Members], str]] = [
    (lambda c: {**c, "../evil.json": b"{}"}, "it holds '../evil.json'"),
    (lambda c: {**c, "/etc/evil.json": b"{}"}, "it holds '/etc/evil.json'"),
    (lambda c: {**c, "runs/../study.json": b"{}"}, "it holds 'runs/../study.json'"),
    (lambda c: {**c, "runs/a/network.pt": b"x"}, "it holds 'runs/a/network.pt'"),
    (lambda c: {**c, "runs/a\x1b/config.json": b"{}"}, "it holds"),
    (lambda c: {**c, "runs/unlisted/config.json": b"{}"}, "list different members"),
    (lambda c: {name: data for name, data in c.items() if name != "bundle.json"}, "has no bundle.json"),
    (lambda c: {name: data for name, data in c.items() if name != "study.json"}, "list different members"),
    (lambda c: {**c, "bundle.json": b"{"}, "is not JSON"),
    (lambda c: {**c, "bundle.json": b"[" * 5000}, "bundle.json"),
    (lambda c: {**c, "bundle.json": b'{"format": "alseg bundle", "schema": 1, "alseg": NaN}'}, "not finite"),
    (lambda c: manifest(c, schema=2), "has schema 2, this version reads 1"),
    (lambda c: manifest(c, names="some"), "bundle.json, names"),
    (lambda c: manifest(c, further=1), "bundle.json, further"),
    (
        lambda c: first_round(c, lambda text: text.replace(b'"dice":', b'"dice":1', 1)),
        "was changed since it was packed",
    ),
]


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_what_no_program_packed_is_one_problem(
    honest: Path, tmp_path: Path, change: Callable[[Members], Members], reason: str
) -> None:
    found = problems(check(written(tmp_path / "wrong.zip", change(members(honest)))))
    assert list(found) == [FORM] and reason in found[FORM] and "\x1b" not in found[FORM]


@pytest.mark.parametrize("keep", [0, 1, 100, -100])
def test_part_of_a_file_is_one_problem(honest: Path, tmp_path: Path, keep: int) -> None:
    (tmp_path / "part.zip").write_bytes(honest.read_bytes()[:keep])
    assert list(problems(check(tmp_path / "part.zip"))) == [FORM]


def test_link_is_refused(honest: Path, tmp_path: Path) -> None:
    content = members(honest)
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        for name, data in content.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(member, data)
    assert "is a link" in problems(check(tmp_path / "link.zip"))[FORM]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_member_that_is_there_twice_is_refused(honest: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "twice.zip", members(honest))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("study.json", "{}")
    assert "it holds 'study.json' twice" in problems(check(path))[FORM]


def test_many_members_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number has a limit, and to find one that is there twice takes a moment, not minutes."""
    some = [zipfile.ZipInfo(f"runs/{i}/config.json") for i in range(archive.MEMBERS - 2)]
    start = time.perf_counter()
    with pytest.raises(ResultsError, match="it holds 'study.json' twice"):
        archive._check_members([*some, *[zipfile.ZipInfo("study.json")] * 2])
    assert time.perf_counter() - start < 5
    monkeypatch.setattr(archive, "MEMBERS", 3)
    path = written(tmp_path / "many.zip", {f"runs/{i}/config.json": b"{}" for i in range(4)})
    assert "it holds 4 members, and at most 3 are read" in problems(check(path))[FORM]


def test_bomb_is_refused_by_the_sizes_that_it_tells(honest: Path, tmp_path: Path) -> None:
    bomb = {**members(honest), "study.json": b" " * 40_000_000}
    assert "and at most 32,000,000 are read" in problems(check(written(tmp_path / "bomb.zip", bomb)))[FORM]


def test_bomb_that_hides_its_size_is_stopped(honest: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "bomb.zip", {**members(honest), "study.json": b" " * 1_000_000})
    hidden = path.read_bytes().replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10))
    path.write_bytes(hidden)
    assert list(problems(check(path))) == [FORM]


def test_all_members_together_have_a_limit(honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 1000)
    assert "it unpacks to" in problems(check(honest))[FORM]
    monkeypatch.setattr(archive, "FILE_BYTES", 100)
    assert "at most 100 are read" in problems(check(honest))[FORM]
    monkeypatch.undo()
    monkeypatch.setattr(archive, "DIRECTORY_BYTES", 10)
    assert "table of contents" in problems(check(honest))[FORM]
