from __future__ import annotations

import errno
import fcntl
import json
import mmap
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alseg_core import store as module
from alseg_core.store import Store, digest

DISK_MB = 2

FORK = multiprocessing.get_context("fork")
KEY = {"a": 1}


def _slow_make(folder: Path) -> None:
    with (folder.parent / "made").open("a") as file:
        file.write("x")
    time.sleep(0.3)
    (folder / "value").write_text("42")


def _make(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "value").write_bytes(b"42" * 5000)


def _refuse(folder: Path) -> None:
    raise AssertionError("made again")


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to be a process that has checked nothing yet."""
    return lambda: monkeypatch.setattr(module, "_checked", set())


def test_single_flight_over_processes(tmp_path: Path) -> None:
    processes = [FORK.Process(target=lambda: Store(tmp_path).fetch("thing", KEY, _slow_make)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "thing" / "made").read_text() == "x"
    assert (Store(tmp_path).fetch("thing", KEY, _slow_make) / "value").read_text() == "42"


def test_who_waits_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    started = threading.Event()
    words: list[str] = []

    def make(folder: Path) -> None:
        started.set()
        while len(words) < 3:
            time.sleep(0.02)

    maker = threading.Thread(target=lambda: Store(tmp_path).fetch("thing", KEY, make))
    maker.start()
    started.wait()
    Store(tmp_path, lambda: words.append("still")).fetch("thing", KEY, _refuse)
    maker.join()
    assert len(words) >= 3


def test_a_killed_maker_leaves_no_entry(tmp_path: Path) -> None:
    def hang(folder: Path) -> None:
        (folder / "value").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=lambda: Store(tmp_path).fetch("thing", KEY, hang))
    process.start()
    process.join()
    (left,) = Store(tmp_path).leftovers()
    assert left.path.name == digest(KEY) + ".building" and Store(tmp_path).entries() == []
    entry = Store(tmp_path).fetch("thing", KEY, _slow_make)
    assert (entry / "value").read_text() == "42" and Store(tmp_path).leftovers() == []


def test_a_maker_that_raises_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Store(tmp_path).fetch("thing", KEY, fail)
    assert [p.name for p in (tmp_path / "thing").iterdir() if p.is_dir()] == []


def test_digest_is_independent_of_order_and_depends_on_values() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def _cut(entry: Path) -> None:
    os.truncate(entry / "deep" / "value", 77)


def _flip(entry: Path) -> None:
    with (entry / "deep" / "value").open("rb+") as file:
        file.seek(1234)
        file.write(b"x")


def _lose(entry: Path) -> None:
    (entry / "deep" / "value").unlink()


def _garble(entry: Path) -> None:
    (entry / "key.json").write_text('{"key": {"a": 1}, "files": {"deep/va')


def _bare(entry: Path) -> None:
    (entry / "key.json").unlink()


def _older(entry: Path) -> None:
    (entry / "key.json").write_text(json.dumps(KEY))


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (_cut, "is damaged (deep/value has 77 bytes, not 10000)"),
    (_flip, "is damaged (checksum of deep/value)"),
    (_lose, "lacks deep/value"),
    (_garble, "has no key that can be read"),
    (_bare, "has no key"),
    (_older, "is of an earlier version, without checksums"),
]


@pytest.mark.parametrize(("spoil", "told"), FAULTS, ids=[told for _, told in FAULTS])
def test_a_spoilt_entry_is_found_and_made_again(
    spoil: Callable[[Path], None],
    told: str,
    tmp_path: Path,
    afresh: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil(Store(tmp_path).fetch("thing", KEY, _make))
    afresh()
    store = Store(tmp_path)
    entry = store.fetch("thing", KEY, _make)
    assert (entry / "deep" / "value").read_bytes() == b"42" * 5000
    assert store.notes == [f"thing {digest(KEY)} in the store {told}; it was made again"]
    assert [record.levelname for record in caplog.records] == ["WARNING"] and told in caplog.text
    again = Store(tmp_path)
    afresh()
    again.fetch("thing", KEY, _refuse)
    assert again.notes == [] and again.leftovers() == []


def test_checksums_are_computed_once_a_process_and_sizes_every_time(
    tmp_path: Path, afresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Store(tmp_path).fetch("thing", KEY, _make)
    afresh()
    summed: list[Path] = []
    compute = module._sum
    monkeypatch.setattr(module, "_sum", lambda path: (summed.append(path), compute(path))[1])
    for _ in range(3):
        Store(tmp_path).fetch("thing", KEY, _refuse)
    assert summed == [entry / "deep" / "value"]
    _cut(entry)
    store = Store(tmp_path)
    store.fetch("thing", KEY, _make)
    assert len(store.notes) == 1


def test_a_spoilt_entry_is_made_once_by_several_that_find_it(tmp_path: Path) -> None:
    (Store(tmp_path).fetch("thing", KEY, _slow_make) / "value").write_text("43")
    (tmp_path / "thing" / "made").unlink()
    module._checked.clear()
    processes = [FORK.Process(target=lambda: Store(tmp_path).fetch("thing", KEY, _slow_make)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "thing" / "made").read_text() == "x"


def test_what_was_mapped_of_a_spoilt_entry_stays(tmp_path: Path, afresh: Callable[[], None]) -> None:
    entry = Store(tmp_path).fetch("thing", KEY, _make)
    _flip(entry)
    with (entry / "deep" / "value").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    afresh()
    Store(tmp_path).fetch("thing", KEY, _make)
    assert len(mapped) == 10_000 and mapped[1234:1235] == b"x"


def test_a_fetched_entry_stays_as_long_as_its_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.fetch("thing", KEY, _make)
    (entry,) = store.entries()
    assert Store(tmp_path).remove(entry) == "in use" and (path / "deep" / "value").exists()
    del store
    assert Store(tmp_path).remove(entry) is None and list((tmp_path / "thing").iterdir()) == []


def test_an_entry_that_is_being_made_stays(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (left,) = folder.parent.glob("*.building")
        entry = module.Entry(left, 0, 0.0)
        assert Store(tmp_path).remove(entry) == "being made" and Store(tmp_path).leftovers() == []

    Store(tmp_path).fetch("thing", KEY, make)


def test_readers_and_a_cleaner_at_the_same_time(tmp_path: Path) -> None:
    """Whoever fetched can read, whatever a cleaner that never rests may do."""
    end = time.monotonic() + 2.0

    def read(seed: int) -> None:
        draw, opened = random.Random(seed), 0
        while time.monotonic() < end or not opened:
            entry = Store(tmp_path)  # as of a run
            path = entry.fetch("thing", {"a": draw.randrange(3)}, _make)
            time.sleep(draw.random() * 0.01)
            assert (path / "deep" / "value").read_bytes() == b"42" * 5000
            opened += 1

    def clean() -> None:
        store, gone = Store(tmp_path), 0
        while time.monotonic() < end:
            gone += sum(store.remove(entry) is None for entry in [*store.entries(), *store.leftovers()])
            time.sleep(0.001)
        (tmp_path / "gone").write_text(str(gone))

    processes = [FORK.Process(target=read, args=(seed,)) for seed in range(3)] + [FORK.Process(target=clean)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert int((tmp_path / "gone").read_text()) > 0


def test_a_reader_that_meets_a_removal_halfway_makes_the_entry_again(tmp_path: Path) -> None:
    path = Store(tmp_path).fetch("thing", KEY, _make)
    with (path / "key.json").open("rb+") as cleaner:
        fcntl.flock(cleaner, fcntl.LOCK_EX)
        reader = FORK.Process(target=lambda: Store(tmp_path).fetch("thing", KEY, _make))
        reader.start()
        time.sleep(0.3)  # it has opened key.json by now and waits
        os.replace(path, path.with_suffix(".gone"))
        fcntl.flock(cleaner, fcntl.LOCK_UN)  # the fork has the lock too, so to close the file is not enough
    reader.join()
    assert reader.exitcode == 0 and (path / "deep" / "value").exists()
    assert Store(tmp_path).leftovers() == []


def test_entries_come_by_last_use(tmp_path: Path) -> None:
    store = Store(tmp_path)
    paths = [store.fetch("thing", {"a": a}, _make) for a in range(3)]
    for path, used in zip(paths, (300, 100, 200), strict=True):
        os.utime(path / "key.json", (used, used))
    found = store.entries()
    assert [entry.path for entry in found] == [paths[1], paths[2], paths[0]]
    assert [entry.used for entry in found] == [100, 200, 300]
    assert all(entry.kind == "thing" and 10_000 < entry.bytes < 10_500 for entry in found)
    store.fetch("thing", {"a": 1}, _refuse)
    assert store.entries()[-1].path == paths[1]


def test_a_full_disk_leaves_nothing_behind(small_disk: Path) -> None:
    Store(small_disk).fetch("thing", KEY, _make)

    def too_much(folder: Path) -> None:
        (folder / "first").write_bytes(bytes(1_000_000))
        (folder / "second").write_bytes(bytes(3_000_000))

    with pytest.raises(OSError, match="No space left") as caught:
        Store(small_disk).fetch("thing", {"a": 2}, too_much)
    assert caught.value.errno == errno.ENOSPC
    assert shutil.disk_usage(small_disk).free > 1_900_000 and len(Store(small_disk).entries()) == 1
    Store(small_disk).fetch("thing", KEY, _refuse)
    Store(small_disk).fetch("thing", {"a": 2}, _make)
