from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import yaml
from click.testing import CliRunner

from alseg_core.events import RoundFinished
from alseg_core.results import RunFolder
from bench.cli import main
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.study import Study
from bench.study.job import Job, RunEnded, RunRetried, StudyEvent
from tests.bench.conftest import BROKEN


def jobs_of(study_file: Path, out: Path) -> list[Job]:
    study = Study.find(str(study_file))
    return [Job.of(config, out / study.name) for config in study.runs()]


def test_failure_is_retried_then_recorded_and_the_others_run(study_file: Path, tmp_path: Path) -> None:
    random, strided = jobs_of(study_file, tmp_path / "out")
    raw = {**random.raw, "recipe": BROKEN}
    broken = dataclasses.replace(random, key="broken", raw=raw, folder=tmp_path / "out" / "broken")
    told: list[tuple[str, StudyEvent]] = []
    policy = Policy(tmp_path / "out", tmp_path / "out" / "store", retries=1)
    LocalLauncher().run([broken, strided], policy, lambda key, event: told.append((key, event)))
    reasons = [event.reason for key, event in told if key == "broken" and isinstance(event, RunRetried)]
    ends = {key: event.failure for key, event in told if isinstance(event, RunEnded)}
    assert len(reasons) == 1 and "Try a lower lr" in reasons[0]
    assert ends["broken"] == reasons[0] and ends[strided.key] is None
    assert RunFolder(broken.folder).failure() == reasons[0]
    assert [e.record.round for k, e in told if k == strided.key and isinstance(e, RoundFinished)] == [0, 1, 2]
    assert strided.finished() and not broken.finished()


def test_command_with_a_failed_run_shows_its_reason_and_ends_with_1(study_file: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(BROKEN))
    settings = ["--set", f"recipes=random {tmp_path / 'broken.yaml'}", "--set", "retries=0"]
    command = ["bench", str(study_file), "--local", "--out", str(tmp_path / "out"), *settings]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 1
    assert "1 of 2 runs failed" in result.output and "Try a lower lr" in result.output
    assert "Traceback" not in result.output and "random" in result.output


def test_command_runs_reports_and_continues(study_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["bench", str(study_file), "--local", "--out", str(out)]
    first = CliRunner().invoke(main, command, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    assert "2 runs, 6 rounds, 6 trainings" in first.output and "random" in first.output
    index = json.loads((out / "small" / "study.json").read_text())
    assert [run["recipe"] for run in index["runs"]] == ["random", "strided"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("rounds.jsonl")}
    assert len(before) == 2 and (out / "small" / "report" / "curves.png").exists() and (out / "mlflow.db").exists()

    again = CliRunner().invoke(main, command, catch_exceptions=False)
    assert again.exit_code == 0 and "all 2 runs are finished" in again.output
    assert {path: path.stat().st_mtime_ns for path in out.rglob("rounds.jsonl")} == before

    shown = CliRunner().invoke(main, ["report", str(out / "small")], catch_exceptions=False)
    assert shown.exit_code == 0 and "strided" in shown.output
