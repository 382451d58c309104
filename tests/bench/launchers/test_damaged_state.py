"""Run folders that are damaged, incomplete or those of another run: what a run, a study and a report make of them."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from alseg_core import checkpoint, loop, store
from alseg_core.errors import ResultsError
from alseg_core.events import Event, Noticed, RoundFinished
from alseg_core.results import RunFolder
from alseg_core.store import Store
from alseg_core.vocabulary import RoundRecord
from bench.cli import main
from bench.launchers.study_folder import check_folders
from bench.launchers.study_run import write_index
from bench.launchers.worker import RunFailedError, run_one
from bench.planning.stopwatch import Relative
from bench.planning.workload import Workload
from bench.report.figures.runfiles import arrays
from bench.report.runs.results import collect
from bench.study import Study
from bench.tracking import Tracker
from bench.tracking.server import connect
from tests.bench.conftest import write_study
from tests.bench.launchers.state_faults import FINISHED, INTERRUPTED, Case, Place, cut, flipped, in_the_way, replaced
from tests.conftest import TINY


class Stop(Exception):
    """Raised by a listener to interrupt a run."""


@dataclass(frozen=True)
class Template:
    """A study of two seeds of a recipe whose picks depend on the models of the round before."""

    file: Path
    """The study's YAML file."""
    study: Study
    out: Path
    """Both runs are finished."""
    interrupted: Path
    """The first run has two of its three rounds."""
    whole: list[RoundRecord]
    """Rounds of the first run."""

    def copy(self, out: Path, finished: bool) -> Workload:
        """Copy the output folder; return the work that is left in it."""
        shutil.copytree(self.out if finished else self.interrupted, out, symlinks=True)
        store._checked.clear()  # as in a new process
        return Workload.of(self.study, out)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    settings = copy.deepcopy(TINY)
    settings["train"]["iterations_full"] = 20
    path = write_study(folder, settings)
    (folder / "ct.yaml").write_text(yaml.safe_dump({"name": "ct", "strategy": "coreset", "embed": "task_net"}))
    content = yaml.safe_load(path.read_text())
    content |= {"recipes": [str(folder / "ct.yaml")], "seeds": 2, "keep_network": True, "retries": 0}
    path.write_text(yaml.safe_dump(content))
    study, out, interrupted = Study.find(str(path)), folder / "out", folder / "interrupted"
    work = Workload.of(study, out)
    first, second = work.jobs
    run_one(second.raw, second.folder, out / "store")
    shutil.copytree(out, interrupted)
    for place, stop_after in ((out, 3), (interrupted, 2)):
        count = 0

        def stop(event: Event, stop_after: int = stop_after) -> None:
            nonlocal count
            count += isinstance(event, RoundFinished)
            if count == stop_after:
                raise Stop

        with pytest.raises(Stop):
            loop.run(work.configs[0], place / "small" / "runs" / first.key, Store(place / "store"), [stop])
        write_index(place / "small", study, work.configs, None)
    run_one(first.raw, first.folder, out / "store")  # which deletes its last models
    return Template(path, study, out, interrupted, RunFolder(first.folder).records())


def same(records: list[RoundRecord], whole: list[RoundRecord]) -> bool:
    """Whether rounds have the same picks and scores."""
    return [(r.selected, r.volumes, r.cost) for r in records] == [(r.selected, r.volumes, r.cost) for r in whole]


def undrawn(results: Any) -> Iterator[str]:
    """Why arrays of the runs' files cannot be drawn."""
    setting = next(iter(results.facts), None)
    for name in ("examples", "selected", "embedding"):
        try:
            if setting is not None:
                arrays(results, setting, name, ())
        except ResultsError as error:
            yield str(error)


@pytest.mark.parametrize(("name", "finished"), [*((n, False) for n in INTERRUPTED), *((n, True) for n in FINISHED)])
def test_damage_is_mended_with_the_same_results_or_refused_with_its_reason(
    name: str, finished: bool, template: Template, tmp_path: Path
) -> None:
    case: Case = (FINISHED if finished else INTERRUPTED)[name]
    out = tmp_path / "out"
    run, other = template.copy(out, finished).jobs
    case.fault(Place(run.folder, other.folder, out / "small", out / "store"))
    rounds = run.folder / "rounds.jsonl"
    before = rounds.read_bytes() if rounds.is_file() else b""

    work = Workload.of(template.study, out)  # one damaged run does not end the study
    forecast = work.prepare(Relative(), 1, lambda *_: None)
    assert set(work.damaged) <= {run.key} and (finished or run.key in {job.key for job in work.todo})
    assert other.key not in forecast.left

    results = collect(out / "small")
    told = [*results.problems, *undrawn(results)]
    assert bool(told) == (case.problem is not None), told
    assert case.problem is None or re.search(case.problem, told[0]), told
    assert other.key in set(results.scores["key"])

    notices: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Noticed):
            notices.append(event.text)

    if case.reason is not None:
        with pytest.raises(RunFailedError, match=case.reason):
            run_one(run.raw, run.folder, out / "store", listen)
        assert not rounds.is_file() or rounds.read_bytes() == before
        return
    run_one(run.raw, run.folder, out / "store", listen)
    assert same(RunFolder(run.folder).records(), template.whole)
    assert bool(notices) == (case.notice is not None), notices
    assert case.notice is None or re.search(case.notice, notices[0]), notices
    assert not (run.folder.parent / "attacked").exists() and not (run.folder / "attacked").exists()
    after = Workload.of(template.study, out)
    assert not after.damaged and not after.todo
    assert list(collect(out / "small").failed) == [run.key] * case.left_out


def bench(template: Template, out: Path, *options: str) -> Any:
    command = ["bench", str(template.file), "--local", "--out", str(out), *options]
    return CliRunner().invoke(main, command, catch_exceptions=False)


def tracked(out: Path) -> list[Any]:
    """Runs in MLflow."""
    client = connect(out)
    found: list[Any] = client.search_runs([client.get_experiment_by_name("small").experiment_id], "tags.recipe = 'ct'")
    return found


def test_a_study_reports_a_damaged_run_as_failed_and_goes_on_with_the_others(
    template: Template, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = template.copy(out, finished=False).jobs
    rounds = first.folder / "rounds.jsonl"
    undamaged = rounds.read_bytes()
    rounds.write_bytes(undamaged.replace(b'"labelled":6', b'"labelled":7'))
    cut(second.folder / "config.json")
    line = "rounds.jsonl, line 2 is damaged (its checksum does not fit: the line was changed after it was written); "

    estimate = bench(template, out, "--estimate")
    assert estimate.exit_code == 0 and "damaged: ct, seed 0: " in estimate.output and line in estimate.output
    assert "damaged: ct, seed 1: " in estimate.output and "the run will write it again" in estimate.output
    assert (second.folder / "config.json").read_bytes().count(b"{") != 0  # nothing was written

    ran = bench(template, out)
    assert ran.exit_code == 1 and ran.stderr == "" and "Traceback" not in ran.output
    assert "it was written again" in ran.output and "seed 1: finished" in ran.output
    assert re.search(rf"seed 0: failed: .*{re.escape(line)}", ran.output)
    assert "1 of 2 runs failed" in ran.output
    assert line in (out / "small" / "report" / "comparison.md").read_text().replace("\\", "")
    assert {run.data.tags["seed"]: run.info.status for run in tracked(out)} == {"0": "FAILED", "1": "FINISHED"}
    assert rounds.read_bytes() != undamaged

    rounds.write_bytes(undamaged.splitlines(keepends=True)[0])  # as the reason says
    run_one(first.raw, first.folder, out / "store")
    assert same(RunFolder(first.folder).records(), template.whole) and collect(out / "small").failed == {}
    Tracker("small", out).sync(first)
    runs = tracked(out)
    assert {run.info.status for run in runs} == {"FINISHED"} and not any("failure" in run.data.tags for run in runs)


def test_tracking_leaves_out_damaged_files_and_says_so(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "out"
    jobs = template.copy(out, finished=True).jobs
    flipped(jobs[0].folder / "examples.npz")
    flipped(jobs[0].folder / "network.pt")
    tracker = Tracker("small", out)
    for job in jobs:
        tracker.sync(job)
    client, runs = connect(out), tracked(out)
    files = {run.data.tags["seed"]: {a.path for a in client.list_artifacts(run.info.run_id)} for run in runs}
    assert files == {"0": {"selected.json"}, "1": {"selected.json", "examples.png"}}
    (intact,) = (run.info.run_id for run in runs if run.data.tags["seed"] == "1")
    (model,) = client.search_logged_models([runs[0].info.experiment_id])
    assert model.source_run_id == intact
    (damaged,) = (run.data.tags["damaged"] for run in tracked(out) if "damaged" in run.data.tags)
    assert "examples.npz is damaged" in damaged and "network.pt is damaged" in damaged
    with pytest.raises(ResultsError, match=r"network.pt is damaged .*checksum differs.*delete the run folder"):
        checkpoint.load(jobs[0].folder)


def test_a_run_that_cannot_record_its_failure_counts_as_failed(template: Template, tmp_path: Path) -> None:
    first, _ = template.copy(tmp_path / "out", finished=True).jobs
    replaced(first.folder, "link")
    ran = bench(template, tmp_path / "out")
    assert ran.exit_code == 1 and "1 of 2 runs failed" in ran.output and "is no folder, so no run can" in ran.output


@pytest.mark.parametrize("where", ["small", "small/runs"])
def test_a_file_in_place_of_a_folder_is_one_error_before_anything_runs(
    where: str, template: Template, tmp_path: Path
) -> None:
    path = tmp_path / "out" / where
    path.parent.mkdir(parents=True)
    path.write_text("")
    done = bench(template, tmp_path / "out")
    assert done.exit_code == 2 and f"{path} is no folder; move it away" in done.stderr.replace("\n", "")
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ResultsError, match="is a link that leads nowhere"):
        check_folders(tmp_path / "out" / "small")


@pytest.mark.parametrize("name", ["lock", "study.json"])
def test_a_folder_in_place_of_a_file_of_the_study_is_one_error(name: str, template: Template, tmp_path: Path) -> None:
    template.copy(tmp_path / "out", finished=True)
    in_the_way(tmp_path / "out" / "small" / name)
    done = bench(template, tmp_path / "out")
    assert done.exit_code == 2 and "move it away" in done.stderr and name in done.stderr, done.stderr


def test_files_that_may_not_be_read_concern_their_run_alone(template: Template, tmp_path: Path) -> None:
    """As another user where the tests run as root, whom permissions do not stop."""
    out = tmp_path / "out"
    first, second = template.copy(out, finished=True).jobs
    for path in (out, *out.rglob("*")):
        path.chmod(0o755)
    (first.folder / "rounds.jsonl").chmod(0)
    (second.folder / "config.json").chmod(0)
    opened = [path for path in {*out.parents, *template.file.parents} if not path.stat().st_mode & 0o001]
    modes = [path.stat().st_mode for path in opened]
    root = os.geteuid() == 0
    try:
        for path in opened:
            path.chmod(0o711)
        if root:
            os.seteuid(65534)
        damaged = Workload.of(template.study, out).damaged
        with pytest.raises(ResultsError, match="Permission denied"):
            RunFolder(first.folder).records()
        failed = collect(out / "small").failed
    finally:
        if root:
            os.seteuid(0)
        for path, mode in zip(opened, modes, strict=True):
            path.chmod(mode)
    for key, name in ((first.key, "rounds.jsonl"), (second.key, "config.json")):
        assert "Permission denied" in damaged[key] and name in damaged[key]
        assert "Permission denied" in failed[key] and name in failed[key]


def test_two_processes_at_once_do_not_share_a_run(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alseg_core.results.LOCK_WAIT_S", 0.1)
    out = tmp_path / "out"
    first, _ = template.copy(out, finished=False).jobs
    identity = RunFolder(first.folder).identity()
    assert identity is not None
    in_use = pytest.raises(RunFailedError, match="is in use by another process; wait for it or stop it")
    with RunFolder(first.folder).session(first.raw, **identity), in_use:
        run_one(first.raw, first.folder, out / "store")
    run_one(first.raw, first.folder, out / "store")
    assert same(RunFolder(first.folder).records(), template.whole)


@pytest.mark.parametrize("damage", ["none", "models", "models of another training"])
def test_a_run_of_an_older_version_continues_and_is_reported(damage: str, template: Template, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = template.copy(out, finished=False).jobs
    path = first.folder / "rounds.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    if damage == "models of another training":
        rows[1]["members"][0]["validation_dice"] += 0.1
    new = ("seed", "fingerprint", "data_key", "made_by", "files", "check")
    path.write_text("".join(json.dumps({k: v for k, v in row.items() if k not in new}) + "\n" for row in rows))
    facts = json.loads((first.folder / "environment.json").read_text())
    (first.folder / "environment.json").write_text(json.dumps({**facts, "alseg": "0.0.1"}))
    if damage != "none":
        flipped(first.folder / "state_1.pt", 0.3)  # found by the archive's own checksums
    assert collect(out / "small").problems == []
    notices: list[str] = []
    run_one(first.raw, first.folder, out / "store", lambda e: notices.append(getattr(e, "text", "")))
    assert any("alseg 0.0.1 to " in text for text in notices)
    assert any("are trained again" in text for text in notices) == (damage != "none")
    assert any("not those of its first training" in t for t in notices) == (damage == "models of another training")
    records = RunFolder(first.folder).records()
    assert same(records, template.whole) and [bool(r.files) for r in records] == [False, False, True]
    results = collect(out / "small")
    assert results.problems == []
    (warning,) = [w for w in results.warnings if w.startswith("Rounds of one run were made with different versions")]
    assert "ct, seed 0: 0.0.1 then " in warning


def test_other_data_are_an_error_of_the_study_before_anything_runs(template: Template, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = template.copy(out, finished=False).jobs
    (first.folder / "rounds.jsonl").unlink()
    path = first.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_key": "0123"}))
    work = Workload.of(template.study, out)
    assert not work.damaged
    with pytest.raises(ResultsError, match=r"was made with other data .*config.json is of run .* on data 0123, wan"):
        work.prepare(Relative(), 1, lambda *_: None)


def test_a_damaged_entry_of_the_store_does_not_stop_a_forecast(template: Template, tmp_path: Path) -> None:
    out = tmp_path / "out"
    work = template.copy(out, finished=True)
    for job in work.jobs:
        shutil.rmtree(job.folder)
    for path, change in zip(sorted((out / "store").glob("training/*/key.json")), (cut, in_the_way), strict=True):
        change(path)
    work = Workload.of(template.study, out)
    assert work.prepare(Relative(), 1, lambda *_: None).total("shared_trainings") == 0
