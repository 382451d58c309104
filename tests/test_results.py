from __future__ import annotations

import json
from pathlib import Path

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
