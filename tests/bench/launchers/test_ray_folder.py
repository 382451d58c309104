"""The folder of Ray's files: where it is, who may read it, and what becomes of it when its owner is killed."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alseg_core.errors import AlsegError
from bench.launchers import ray_folder
from bench.launchers.ray_folder import LOCK, PREFIX, SOCKET, private_folder

OWNER = """
import os, subprocess, sys, time
from bench.launchers.ray_folder import private_folder
with private_folder() as folder:
    hold = "import time; file = open(__import__('sys').argv[1]); time.sleep(600)"
    (folder / "log").touch()
    by_command = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", f"{folder}/log"])
    by_environment = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                                      env={**os.environ, "WHERE": f"{folder}/log"})
    os.chdir(folder)
    by_file = subprocess.Popen([sys.executable, "-c", hold, "log"])
    print(folder, by_command.pid, by_environment.pid, by_file.pid, flush=True)
    time.sleep(600)
"""
"""A process that owns a folder and has started others that have to do with it, each in its own way."""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place for folders."""
    short = tmp_path / "t"
    short.mkdir()
    monkeypatch.setattr(ray_folder, "_bases", lambda: [short])
    monkeypatch.setattr(ray_folder, "SOCKET", 1)  # the paths of pytest are too long for Ray's
    return short


@pytest.fixture
def owner(base: Path) -> Iterator[tuple[subprocess.Popen[str], Path, list[int]]]:
    """A running owner, its folder, and the ids of its processes."""
    here = f"import bench.launchers.ray_folder as f; from pathlib import Path; f._bases = lambda: [Path({str(base)!r})]"
    program = f"{here}; f.SOCKET = 1\n{OWNER}"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder, *pids = process.stdout.readline().split()
    yield process, Path(folder), [int(pid) for pid in pids]
    for pid in (process.pid, *map(int, pids)):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may still be listed until its parent has noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_folder_is_private_short_and_gone_afterwards() -> None:
    with private_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and folder.stat().st_uid == os.getuid()
        with socket.socket(socket.AF_UNIX) as longest:
            longest.bind(str(folder / ("s" * SOCKET)))
    assert not folder.exists()


@pytest.mark.parametrize("where", ["deep", "missing", "file"])
def test_a_tmpdir_that_ray_cannot_use_is_passed_over(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"deep": tmp_path / ("d" * 100), "missing": tmp_path / "missing", "file": tmp_path / "file"}
    places["deep"].mkdir()
    places["file"].touch()
    monkeypatch.setenv("TMPDIR", str(places[where]))
    with private_folder() as folder:
        assert not folder.is_relative_to(tmp_path)
    assert list(places["deep"].iterdir()) == []


def test_a_short_tmpdir_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with private_folder() as outer:
        monkeypatch.setattr(ray_folder, "SOCKET", 1)
        monkeypatch.setenv("TMPDIR", str(outer))
        with private_folder() as folder:
            assert folder.parent == outer


def test_no_place_at_all_is_said_with_the_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(ray_folder, "_bases", lambda: [deep, tmp_path / "missing"])
    told = rf"sockets.*{deep} \(.*too long\), {tmp_path}/missing \(No such file.*\)\. Set TMPDIR"
    with pytest.raises(AlsegError, match=told), private_folder():
        raise AssertionError


def test_what_a_killed_owner_leaves_is_removed_by_the_next(
    base: Path, owner: tuple[subprocess.Popen[str], Path, list[int]]
) -> None:
    process, folder, started = owner
    assert folder.parent == base
    with private_folder() as other:
        assert other != folder
    assert (folder / LOCK).exists() and all(map(alive, started))  # its owner lives
    process.kill()
    process.wait()
    assert folder.exists() and all(map(alive, started))
    with private_folder():
        assert not folder.exists()
    end = time.monotonic() + 10
    while any(map(alive, started)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(alive, started))


def test_folders_that_are_not_ours_or_young_are_left_alone(base: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for folder in (elsewhere, base / f"{PREFIX}others", base / f"{PREFIX}old", base / f"{PREFIX}young", base / "mine"):
        folder.mkdir()
    for folder in (elsewhere, base / f"{PREFIX}others", base / "mine"):
        (folder / LOCK).touch()
    (base / f"{PREFIX}link").symlink_to(elsewhere)
    (base / f"{PREFIX}file").touch()
    os.utime(base / f"{PREFIX}old", (0, 0))
    if os.geteuid() == 0:
        os.chown(base / f"{PREFIX}others", 65534, 65534)
    kept = {"link", "file", "young", *(["others"] if os.geteuid() == 0 else [])}
    with private_folder():
        pass
    assert {path.name for path in base.iterdir()} == {"mine", *(PREFIX + name for name in kept)}
    assert (elsewhere / LOCK).exists()
