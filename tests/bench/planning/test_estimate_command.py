"""What the command says before and after it runs, and what it leaves behind when it cannot."""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from alseg_core.errors import ResultsError
from bench.cli import main
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.launchers.study_folder import writing
from bench.planning import forecast
from bench.planning.order import starting_order
from bench.planning.stopwatch import Relative, Stopwatch
from bench.planning.workload import Workload
from bench.study import Study
from bench.terminal.progress import Display
from bench.terminal.study_summary import announcement
from bench.terminal.study_summary import estimate as table

DISK_MB = 2


def alseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def facts(result: Result) -> dict[str, str]:
    """Name -> text of each row of the estimate's first table."""
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=1) for line in result.output.splitlines() if line.strip()]
    return {words[0]: words[1].strip() for words in lines if len(words) == 2}


ENCODER = "components.contrastive={init: random, epochs: 2, image_size: 16}"


@pytest.mark.slow
def test_an_estimate_before_between_and_after(study_file: Path, tmp_path: Path) -> None:
    out, settings = tmp_path / "out", ["--set", "recipes=random entropy gcl_coreset", "--set", ENCODER]
    command = ["bench", str(study_file), *settings, "--local", "--out", str(out)]
    told = facts(alseg(*command, "--estimate"))
    assert told["runs"] == "3: 0 finished, 3 left" and told["rounds"] == "9: 0 finished, 9 left"
    assert told["dataset"] == "tiny" and told["recipes"] == "3: random, entropy, gcl_coreset"
    assert told["seeds"] == "1: 0" and told["budgets"] == "3 slices, 6, 8, of 62 slices"
    assert told["trainings"].startswith("8 to do, 1 saved") and told["encoders"].startswith("1 to train, 0 saved")
    assert told["time"].endswith("1 at once") and "core-hours" in told["computing"]
    assert [str(path.relative_to(out)) for path in [*out.iterdir(), *out.glob("*/*")]] == ["store", "store/prepared"]

    result = alseg(*command)
    assert result.exit_code == 0
    assert "3 runs, 9 rounds, 8 trainings (and 1 shared), 1 encoder, 1 at once" in result.output
    assert "\n3 recipes: 3 runs in " in result.output
    last = result.output.rstrip().splitlines()[-3:]
    assert last[0].startswith("report: ") and Path(last[0].removeprefix("report: ")).exists()
    assert last[1] == f"MLflow: make ui OUT={out}" and last[2].strip().startswith(
        "http://127.0.0.1:5000/#/experiments/1/"
    )

    (entropy,) = (out / "small" / "runs").glob("*entropy*")
    lines = (entropy / "rounds.jsonl").read_text().splitlines(keepends=True)
    (entropy / "rounds.jsonl").write_text(lines[0])
    shutil.rmtree(next((out / "small" / "runs").glob("*gcl*")))
    told = facts(alseg(*command, "--estimate"))
    assert told["runs"] == "3: 1 finished, 2 left" and told["rounds"] == "9: 4 finished, 5 left"
    assert told["trainings"].startswith("5 to do, 0 saved")
    assert told["encoders"] == "0 to train, 1 saved (1 of 1 are in the store)"
    (entropy / "rounds.jsonl").write_text("".join(lines))
    told = facts(alseg(*command, "--set", "recipes=random entropy", "--estimate"))
    assert told["time"] == "none" and told["rounds"] == "6: 6 finished, 0 left"


def test_an_estimate_for_a_cluster_joins_none(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    command = ["bench", str(study_file), "--estimate", "--out", str(tmp_path / "out")]
    told = facts(alseg(*command))
    assert "as fast as this machine" in told["assumed"] and "by the number of runs at once" in told["time"]
    four = facts(alseg(*command, "--set", "concurrency=4"))
    assert four["time"].endswith("2 at once")  # there are no more runs


@pytest.mark.parametrize("setting", ["schedules.a=[100000]", "recipes=gcl_corset", "train.scribble.lr=-1"])
def test_a_refused_command_leaves_no_study_behind(study_file: Path, setting: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    for way in ("--local", "--estimate"):
        result = alseg("bench", str(study_file), "--set", setting, "--out", str(out), way)
        assert result.exit_code == 2 and result.stderr.startswith("error: ")
        assert not (out / "small").exists()


def test_a_folder_that_was_there_stays(study_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "small").mkdir(parents=True)
    command = ["bench", str(study_file), "--local", "--out", str(tmp_path / "out")]
    assert alseg(*command, "--set", "schedules.a=[999]").exit_code == 2
    assert (tmp_path / "out" / "small").is_dir()


def test_going_on_says_what_is_done(study_file: Path, tmp_path: Path) -> None:
    """One run is finished and of another a round is there: the rest is announced, and nothing else is done."""
    study = Study.find(str(study_file))
    workload = Workload.of(study, tmp_path)
    display = Display(Console(file=io.StringIO(), width=300))
    first = announcement(workload, workload.prepare(Stopwatch(), 1, display.preparing))
    assert first.startswith("study small: 2 runs, 6 rounds, 6 trainings, 1 at once: about ")
    LocalLauncher().run(workload.todo, Policy(workload.folder, workload.store), lambda key, event: None)
    rounds = workload.jobs[1].folder / "rounds.jsonl"
    rounds.write_text(rounds.read_text().splitlines(keepends=True)[0])
    again = Workload.of(study, tmp_path)
    told = announcement(again, again.prepare(Stopwatch(), 1, display.preparing))
    assert "of which 1 runs and 4 rounds are finished; left: 2 rounds, 2 trainings, 1 at once" in told


def fill(disk: Path, but: int) -> None:
    """Leave ``but`` bytes free."""
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - but))


@pytest.mark.parametrize("left", [0, 65536])
def test_a_disk_that_is_full_from_the_start_is_one_clear_message(study_file: Path, small_disk: Path, left: int) -> None:
    fill(small_disk, left)
    result = alseg("bench", str(study_file), "--local", "--out", str(small_disk))
    assert result.exit_code == 2 and result.stderr.startswith("error: ") and "Traceback" not in result.output
    assert "free some space" in result.stderr or "free space there and run the same command" in result.stderr
    assert not (small_disk / "small").exists()


def test_a_disk_that_fills_up_loses_no_finished_round(study_file: Path, small_disk: Path) -> None:
    """The runs are done; the report, or what is written before it, finds no room."""
    jobs = Workload.of(Study.find(str(study_file)), small_disk).jobs
    LocalLauncher().run(jobs, Policy(small_disk, small_disk / "store"), lambda key, event: None)
    before = {path: path.read_bytes() for path in small_disk.glob("small/runs/*/rounds.jsonl")}
    assert len(before) == 2
    fill(small_disk, 65536)
    result = alseg("bench", str(study_file), "--local", "--out", str(small_disk))
    assert result.exit_code == 2 and result.stderr.startswith("error: disk full"), result.output
    assert "No finished round is lost: the same command continues" in result.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_a_place_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    message = "cannot be written .*permissions.* No finished round is lost"
    with pytest.raises(ResultsError, match=message), writing(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "study.json"))
    with pytest.raises(FileNotFoundError), writing(tmp_path):  # other errors pass unchanged
        (tmp_path / "nothing").read_text()


def test_a_ceiling_needs_labels_of_both_kinds_or_says_which_there_are(study_file: Path, tmp_path: Path) -> None:
    ceiling = Study.find("ceiling").runs()
    kinds = {(config.recipe.name, config.annotation_name, config.budgets) for config in ceiling}
    assert kinds == {("random", "scribble", (1.0,)), ("random", "mask", (1.0,))}
    assert len(ceiling) == 2 * len({config.seed for config in ceiling}) > 2
    asked = "annotations=[{name: scribble, source: given}, mask]"  # the phantom has masks alone
    result = alseg("bench", str(study_file), "--set", asked, "--estimate", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2 and "needs training cases with scribbles" in result.stderr
    assert "Annotation 'mask' alone would work: --set annotations=mask." in result.stderr


def test_the_runs_of_an_estimate_are_put_in_order_a_few_times_however_many_they_are(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered: list[int] = []

    def counted(left: dict[str, float], *rest: Any) -> list[str]:
        ordered.append(len(left))
        return starting_order(left, *rest)

    monkeypatch.setattr(forecast, "starting_order", counted)
    calls = []
    for seeds in (2, 20):
        ordered.clear()
        study = Study.find(str(study_file), [f"seeds={seeds}", "recipes=random"])
        workload = Workload.of(study, tmp_path)
        table(workload, workload.prepare(Relative(), 4, lambda *_: None))
        assert set(ordered) == {seeds}
        calls.append(len(ordered))
    assert calls[0] == calls[1]
