from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord


def record(number: int) -> RoundRecord:
    return RoundRecord(number, 3, 0.1, 0.2, 1.0, [], [], 0, [], {"dice": 0.5}, {}, [])


def test_a_line_cut_by_a_kill_is_no_finished_round(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append(record(0))
    folder.append(record(1))
    lines = (tmp_path / "rounds.jsonl").read_text()
    (tmp_path / "rounds.jsonl").write_text(lines[:-20])
    assert folder.records() == [record(0)]
    folder.append(record(1))
    assert folder.records() == [record(0), record(1)]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append(record(0))
    text = (tmp_path / "rounds.jsonl").read_text()
    (tmp_path / "rounds.jsonl").write_text("{broken\n" + text)
    with pytest.raises(ResultsError, match="line 1 is damaged"):
        folder.records()


def test_another_configuration_or_other_data_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.session({}, "f1", "d1"):
        pass
    with pytest.raises(ResultsError, match="another configuration"), folder.session({}, "f2", "d1"):
        pass
    with pytest.raises(ResultsError, match="other data"), folder.session({}, "f1", "d2"):
        pass


def test_states_keep_the_last_round_only(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for number in (0, 1):
        folder.save_state(number, {"weights": torch.ones(2) * number})
    folder.drop_states(keep=1)
    assert folder.load_state(record(1))["weights"].tolist() == [1, 1]
    with pytest.raises(ResultsError, match="state_0.pt is missing"):
        folder.load_state(record(0))


def test_a_failure_is_told_until_the_run_goes_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.fail("no luck", "trace")
    assert folder.failure() == "no luck"
    with folder.session({}, "f", "d"):
        assert folder.failure() is None


def test_records_are_strict_json(tmp_path: Path) -> None:
    RunFolder(tmp_path).append(record(0))
    json.loads((tmp_path / "rounds.jsonl").read_text(), parse_constant=lambda c: pytest.fail(c))


def own(number: int, fingerprint: str = "f", seed: int = 0) -> RoundRecord:
    """A round that says whose it is."""
    return dataclasses.replace(record(number), fingerprint=fingerprint, data_key="d", seed=seed)


def test_a_round_seals_the_files_of_its_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.session({}, "f", "d"):
        folder.save_state(0, {"weights": torch.ones(2)})
        written = folder.append(own(0))
    assert set(written.files) == {"config.json", "state_0.pt"} and folder.records() == [written]
    content = (tmp_path / "config.json").read_bytes()
    assert written.files["config.json"] == f"{len(content)} {hashlib.sha256(content).hexdigest()}"
    assert folder.fault("config.json", [written]) is None and folder.check([written], "f", "d") is None
    (tmp_path / "config.json").write_bytes(content.replace(b'"d"', b'"e"'))
    fault = "config.json is damaged or was changed since the run wrote it (its checksum differs)"
    assert folder.fault("config.json", [written]) == folder.check([written], "f", "d") == fault
    with folder.session({}, "f", "d") as mended:
        assert mended == [f"{fault}; it was written again"]
    assert (tmp_path / "config.json").read_bytes() == content


def test_lines_that_do_not_follow_one_another_are_found(tmp_path: Path) -> None:
    for name, fingerprint, seed in (("a", "f", 0), ("b", "g", 1)):
        (tmp_path / name).mkdir()
        for number in range(3):
            RunFolder(tmp_path / name).append(own(number, fingerprint, seed))
    path = tmp_path / "a" / "rounds.jsonl"
    mine = path.read_text().splitlines(keepends=True)
    other = (tmp_path / "b" / "rounds.jsonl").read_text().splitlines(keepends=True)
    bare = json.dumps({k: v for k, v in json.loads(mine[1]).items() if k != "check"}) + "\n"
    for rows, line, reason in (
        ([mine[0], other[1], mine[2]], 2, "it is of another run, with seed 1"),
        ([mine[0], mine[0], mine[1]], 2, "it holds round 0, wanted 1"),
        ([mine[0], mine[1].replace("0.5", "0.6"), mine[2]], 2, "its checksum does not fit"),
        ([mine[0].replace("0.5", "0.6"), *mine[1:]], 1, "its checksum does not fit"),
        ([mine[0], bare, mine[2]], 2, "its checksum is missing"),
        ([bare.replace('"round": 1', '"round": 0'), mine[1], mine[2]], 1, "its checksum is missing"),
        ([*mine[:2], "null\n"], 3, "it is no record of a round"),
    ):
        path.write_text("".join(rows))
        with pytest.raises(ResultsError, match=rf"line {line} is damaged \({reason}"):
            RunFolder(tmp_path / "a").records()
        with pytest.raises(ResultsError, match="is damaged"):  # nothing is appended to damaged rounds
            RunFolder(tmp_path / "a").append(own(3))
    path.write_text("\r\n".join(line.rstrip() for line in mine) + "\n\n")
    assert len(RunFolder(tmp_path / "a").records()) == 3
    RunFolder(tmp_path / "a").append(own(3))
    assert [r.round for r in RunFolder(tmp_path / "a").records()] == [0, 1, 2, 3]


def test_rounds_of_another_run_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.session({}, "f", "d"):
        folder.append(own(0, "g", seed=7))
    with pytest.raises(ResultsError, match=r"another configuration: rounds.jsonl, with seed 7, is of run g on data d"):
        folder.check(folder.records(), "f", "d")
    with pytest.raises(ResultsError, match=r"config.json and rounds.jsonl, with seed 7, are of different runs"):
        folder.check(folder.records())


def test_a_damaged_configuration_is_written_again_only_if_rounds_say_whose_they_are(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.session({}, "f", "d"):
        folder.append(record(0))  # as an older version
    line = json.loads((tmp_path / "rounds.jsonl").read_text())
    (tmp_path / "rounds.jsonl").write_text(json.dumps({k: line[k] for k in line if k not in ("check", "files")}) + "\n")
    assert folder.check(folder.records(), "f", "d") is None
    (tmp_path / "config.json").write_text('{"fingerprint": "f"')
    refused = pytest.raises(ResultsError, match="config.json cannot be read .*put back a copy, or delete the folder")
    with refused, folder.session({}, "f", "d"):
        pass
    (tmp_path / "rounds.jsonl").unlink()
    with folder.session({}, "f", "d") as mended:
        assert len(mended) == 1 and folder.identity() == {"fingerprint": "f", "data_key": "d"}


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_failure_says_that_its_reason_is_not_known(content: str, tmp_path: Path) -> None:
    (tmp_path / "failure.json").write_text(content)
    assert (RunFolder(tmp_path).failure() or "").startswith("not known: ")


WRITERS: dict[str, Callable[[RunFolder], object]] = {
    "rounds.jsonl": lambda folder: folder.append(record(0)),
    "config.json": lambda folder: folder.session({}, "f", "d").__enter__(),
    "environment.json": lambda folder: folder.save_environment("cpu", 1, {}),
    "examples.npz": lambda folder: folder.save_arrays("examples", {"dice": np.ones(2)}),
    "state_0.pt": lambda folder: folder.save_state(0, {"weights": torch.ones(2)}),
}


@pytest.mark.parametrize("end", ["", ".tmp"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_in_the_way_is_named(name: str, end: str, tmp_path: Path) -> None:
    (tmp_path / (name + end)).mkdir()
    with pytest.raises(ResultsError) as caught:
        WRITERS[name](RunFolder(tmp_path))
    assert str(caught.value) == f"{tmp_path / (name + end)} is a folder, where a file belongs; move it away."


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_kill_left_is_neither_followed_nor_waited_for(name: str, tmp_path: Path) -> None:
    target, left = tmp_path / "elsewhere", tmp_path / "run" / f"{name}.tmp"
    left.parent.mkdir()
    target.write_text("mine")
    for make in (lambda: left.symlink_to(target), lambda: os.mkfifo(left), lambda: left.write_text("half")):
        make()
        WRITERS[name](RunFolder(left.parent))
        assert (left.parent / name).is_file() and not (left.parent / name).is_symlink()
        assert not os.path.lexists(left) and target.read_text() == "mine"
        (left.parent / name).unlink()


def test_a_failure_that_cannot_be_recorded_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "failure.json").mkdir()
    RunFolder(tmp_path).fail("no luck", "trace")
    assert (RunFolder(tmp_path).failure() or "").startswith("not known: ")


NEW: dict[str, object] = {
    "seed": 0,
    "fingerprint": "f",
    "data_key": "d",
    "made_by": {"alseg": "1"},
    "files": {"config.json": "1 a"},
}
"""Fields that came with the checksums of lines."""


@pytest.mark.parametrize("field", NEW)
def test_only_lines_of_older_versions_may_lack_a_checksum(field: str, tmp_path: Path) -> None:
    older = {k: v for k, v in dataclasses.asdict(record(0)).items() if k not in NEW}
    path = tmp_path / "rounds.jsonl"
    path.write_text(json.dumps(older) + "\n")
    assert RunFolder(tmp_path).records() == [record(0)]
    path.write_text(json.dumps({**older, field: NEW[field]}) + "\n")
    with pytest.raises(ResultsError, match=r"line 1 is damaged \(its checksum is missing: the line was changed"):
        RunFolder(tmp_path).records()


@pytest.mark.parametrize("number", [True, 1.0, "1", None])
def test_a_round_has_a_whole_number(number: object, tmp_path: Path) -> None:
    rows = [dataclasses.asdict(record(0)), {**dataclasses.asdict(record(1)), "round": number}]
    (tmp_path / "rounds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ResultsError, match=rf"line 2 is damaged \(it holds round {json.dumps(number)}, wanted 1\)"):
        RunFolder(tmp_path).records()


@pytest.mark.parametrize("after", [b"", b"\n", b"\r\n\n", b"\n \n"])
def test_a_last_line_that_is_cut_is_left_out_whatever_follows_it(after: bytes, tmp_path: Path) -> None:
    folder, path = RunFolder(tmp_path), tmp_path / "rounds.jsonl"
    for number in (0, 1):
        folder.append(own(number))
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    for rest in (*(content[first:end] for end in range(first + 1, len(content) - 1, 9)), bytes(500)):
        path.write_bytes(content[:first] + rest + after)
        assert folder.records() == [own(0)]
    whole = content[first:].rstrip()
    for rest in (whole.replace(b"0.5", b"0.6"), whole.replace(b'"best"', b'"best'), whole.replace(b"0.5", b"\xff")):
        path.write_bytes(content[:first] + rest + after)  # written whole and changed since
        with pytest.raises(ResultsError, match="line 2 is damaged"):
            folder.records()
