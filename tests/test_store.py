from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from alseg_core.store import Store, digest


def _slow_make(folder: Path) -> None:
    with (folder.parent / "made").open("a") as file:
        file.write("x")
    time.sleep(0.3)
    (folder / "value").write_text("42")


def _fetch(root: Path) -> None:
    Store(root).fetch("thing", {"a": 1}, _slow_make)


def test_single_flight_over_processes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fetch, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "thing" / "made").read_text() == "x"
    assert (Store(tmp_path).fetch("thing", {"a": 1}, _slow_make) / "value").read_text() == "42"


def test_a_killed_maker_leaves_no_entry(tmp_path: Path) -> None:
    def hang(folder: Path) -> None:
        (folder / "value").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=lambda: Store(tmp_path).fetch("thing", {"a": 1}, hang))
    process.start()
    process.join()
    entry = Store(tmp_path).fetch("thing", {"a": 1}, _slow_make)
    assert (entry / "value").read_text() == "42"


def test_a_maker_that_raises_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Store(tmp_path).fetch("thing", {"a": 1}, fail)
    assert [p.name for p in (tmp_path / "thing").iterdir() if p.is_dir()] == []


def test_digest_is_independent_of_order_and_depends_on_values() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
