"""Statements of a tuned recipe and its report: certainty of the gain, ranks by the proxy, labels that were read."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from rich.console import Console

from alseg_core.errors import plural
from alseg_core.vocabulary import RoundRecord
from bench.launchers.local import LocalLauncher
from bench.study.job import Job
from bench.terminal.progress import Display
from bench.tuning import full_loop
from bench.tuning.comparison import command
from bench.tuning.findings import Findings, caution, conclusion, story, summary, write_text
from bench.tuning.full_loop import Candidate, Verdict
from bench.tuning.label_audit import LabelAudit
from bench.tuning.recipe import content, write
from bench.tuning.spec import Tuning
from bench.tuning.storage import open_storage
from bench.tuning.trials import TrialPlan, Trials
from bench.tuning.tuning_run import Launch

CASES = ("val_a", "val_b")
TEST = ("test_a", "test_b")
TUNED = Path("recipes/small_tuned_tiny.yaml")
SURE, MAYBE = [[0.40, 0.50, 0.45], [0.50, 0.61, 0.54]], [[0.416, 0.510, 0.40], [0.518, 0.547, 0.38]]


def verdict(scores: list[list[float]]) -> Verdict:
    return Verdict([Candidate(3 * row, row == 0, {}, []) for row in range(len(scores))], np.array(scores))


FOUR = (0.462, 0.419, None, 0.446)
"""Values of trials: the own settings are first by the proxy, trial 3 second, trial 1 third; trial 2 is stopped."""


def tried(url: str, tuning: Tuning, raw: dict[str, Any], values: tuple[float | None, ...] = FOUR) -> Trials:
    plan = TrialPlan("tune", "/runs", {}, tuning.default(raw), total=len(values), seed=0, startup=4, reduction=2)
    found = Trials.open(open_storage(url), plan)
    for value in values:
        trial = found.ask()
        tuning.suggest(trial, raw)
        if value is None:
            found.stopped(trial)
        else:
            found.reached(trial, 1, value)
            found.completed(trial, value)
    return found


@pytest.fixture
def tuning(tuning_file: Path) -> Tuning:
    return Tuning.find(str(tuning_file), ["trials=4", "full.seeds=2"])


@pytest.mark.parametrize(("scores", "chance"), [(SURE, False), (MAYBE, True), ([[0.4], [0.6]], True)])
def test_a_recipe_whose_gain_may_be_chance_says_so(
    tuning: Tuning, tmp_path: Path, scores: list[list[float]], chance: bool
) -> None:
    raw = tuning.run()
    found, judged = tried(f"sqlite:///{tmp_path}/a.db", tuning, raw), verdict(scores)
    settings = tuning.settings_of(found.all()[3].params, raw)
    made = content(tuning, "tiny", raw, settings, summary(judged))
    text = write(made, story(tuning, "tiny", found, judged), tmp_path, tmp_path).read_text()
    comment = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    gain, half = judged.gain(1)
    assert f"{gain:+.3f} over {plural(len(scores[0]), 'seed')}" in comment and f"{gain:+.3f}" in made["summary"]
    spread = f"interval {gain - half:+.3f} to {gain + half:+.3f}" if len(scores[0]) > 1 else "no interval"
    assert spread in comment and judged.chance == chance
    said = conclusion(cast(Findings, SimpleNamespace(verdict=judged)))
    assert chance == ("may be chance" in comment) == ("may be chance" in made["summary"]) == ("may be chance" in said)
    assert "best of the 2 taken to the full loop (of 4 trials)" in comment
    assert "by the proxy 0.446, rank 2 of 3" in comment and "by the proxy 0.462, rank 1 of 3" in comment


def test_a_tuning_that_found_nothing_better_claims_no_gain(tuning: Tuning, tmp_path: Path) -> None:
    raw, judged = tuning.run(), verdict([[0.5, 0.6], [0.4, 0.5]])
    told = story(tuning, "tiny", tried(f"sqlite:///{tmp_path}/a.db", tuning, raw), judged)
    assert "trial 0" in told and "nothing beat" in told and "chance" not in told and "no gain" in summary(judged)


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((0.0, 0.006, 0.005), "All 3 trials score below 0.01: no network has learned"),
        ((0.25, 0.25, 0.25), "All 3 trials have the same score, 0.250"),
        ((0.25, 0.25, 0.26), None),
        ((0.0,), None),
    ],
)
def test_trials_that_cannot_be_ranked_are_named(
    tuning: Tuning, tmp_path: Path, scores: tuple[float, ...], told: str | None
) -> None:
    raw = tuning.run()
    plan = TrialPlan("tune", "/runs", {}, tuning.default(raw), total=3, seed=0, startup=3, reduction=2)
    found = Trials.open(open_storage(f"sqlite:///{tmp_path}/a.db"), plan)
    for score in scores:
        trial = found.ask()
        tuning.suggest(trial, raw)
        found.reached(trial, 1, score)
        found.completed(trial, score)
    said = caution(found)
    assert said is None if told is None else said is not None and said.startswith(told)


def run(job: Job, dice: float, scored: tuple[str, ...] = CASES) -> None:
    """A whole run folder whose rounds scored these cases."""
    job.folder.mkdir(parents=True)
    config = {"fingerprint": "f", "data_key": "d", "config": job.raw}
    (job.folder / "config.json").write_text(json.dumps(config))
    for number in range(job.rounds):
        record = RoundRecord(
            round=number,
            labelled=3 * (number + 1),
            fraction=0.1,
            cost=1.0,
            cover_radius=0.0,
            members=[],
            best=0,
            selected=[{"case": "train_a", "z": number, "score": None}],
            seconds={},
            volumes=[{"case": case, "class": "wall", "dice": dice} for case in scored],
            summary={"dice": dice},
            ledger=[{"who": "evaluation", "what": "validation masks", "slices": 10}],
        )
        with (job.folder / "rounds.jsonl").open("a") as file:
            file.write(json.dumps(dataclasses.asdict(record)) + "\n")


def test_the_report_says_what_the_proxy_preferred(tuning: Tuning, tmp_path: Path) -> None:
    raw = tuning.run()
    found = tried(f"sqlite:///{tmp_path}/a.db", tuning, raw)
    judged = full_loop.candidates(tuning, raw, found, tmp_path)
    for candidate, level in zip(judged, ([0.4, 0.5], [0.5, 0.55]), strict=True):
        for job, dice in zip(candidate.jobs, level, strict=True):
            run(job, dice)
    findings = Findings(
        tuning, raw, found, full_loop.verdict(judged), tmp_path, tmp_path / "small_tuned_tiny.yaml", "sqlite://", TEST
    )
    write_text(findings, tmp_path / "tuning.md")
    assert f"| setting | own | {judged[1].title} |" in (tmp_path / "tuning.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (tmp_path / "tuning.md").read_text().splitlines()
        if line.startswith(("| own", "| trial 3 (", "|  | proxy"))
    ]
    assert rows[0][:5] == ["", "proxy", "rank by proxy", "seed 2", "seed 3"]
    assert rows[1][:5] == ["own", "0.462", "1 of 3", "0.400", "0.500"]
    assert rows[2][0].startswith("trial 3 (epochs=1 w_ntxent=") and rows[2][1:5] == [
        "0.446",
        "2 of 3",
        "0.500",
        "0.550",
    ]


@pytest.mark.parametrize(("scores", "beaten"), [([0.4, 0.5], True), ([0.5, 0.4], False)])
def test_the_command_that_compares_comes_last_and_only_if_a_trial_beat_the_recipe(
    tuning: Tuning, tmp_path: Path, scores: list[float], beaten: bool
) -> None:
    raw, said = tuning.run(), io.StringIO()
    found = tried(f"sqlite:///{tmp_path}/a.db", tuning, raw)
    judged = full_loop.candidates(tuning, raw, found, tmp_path)
    findings = Findings(
        tuning, raw, found, Verdict(judged, np.array([[each] for each in scores])), tmp_path, TUNED, "sqlite://", TEST
    )
    launch = Launch(tuning, raw, tuning.base(), tmp_path, LocalLauncher(), Display(Console(file=said, width=80)))
    launch._tell(findings, untracked="no server")
    lines = said.getvalue().splitlines()
    assert re.fullmatch(r"4 trials and 4 runs of the full loop; this command took \d+ s in all", lines[0])
    assert lines[2:4] == [f"recipe: {TUNED}", f"report: {launch.folder}/report/tuning.md"]
    told = ["compare the two on test volumes:", f"    {command(tuning, TUNED, tmp_path)}"] if beaten else []
    assert lines[5:] == told


@pytest.mark.parametrize(("values", "warned"), [((0.25, 0.25), 1), ((0.25, 0.26), 0)])
def test_trials_that_score_alike_are_warned_of_once(
    tuning: Tuning, tmp_path: Path, values: tuple[float, ...], warned: int
) -> None:
    raw, said = tuning.run(), io.StringIO()
    found = tried(f"sqlite:///{tmp_path}/a.db", tuning, raw, values)
    judged = full_loop.candidates(tuning, raw, found, tmp_path)
    findings = Findings(
        tuning, raw, found, Verdict(judged, np.array([[0.4], [0.5]])), tmp_path, TUNED, "sqlite://", TEST
    )
    launch = Launch(tuning, raw, tuning.base(), tmp_path, LocalLauncher(), Display(Console(file=said, width=80)))
    launch._tell(findings, untracked=None)
    assert said.getvalue().count("have the same score") == warned
    assert said.getvalue().count("compare the two") == 1 - warned


def test_a_test_volume_that_was_scored_is_counted(tuning: Tuning, tmp_path: Path) -> None:
    raw = tuning.run()
    first, second = (Job.of(config, tmp_path / "trials" / "0000") for config in tuning.trial_runs(raw, tuning.own(raw)))
    run(first, 0.4)
    assert "0 of the split's 2 test volumes were scored and 0 annotated by any of the 1 runs" in LabelAudit.of(
        tmp_path
    ).sentence(TEST)
    open_run = dataclasses.replace(second, raw={**second.raw, "evaluate": {**second.raw["evaluate"], "part": "test"}})
    run(open_run, 0.4, (*CASES, TEST[1]))
    (tmp_path / "trials" / "0000" / "runs" / "never-begun").mkdir()
    read = LabelAudit.of(tmp_path)
    assert read.slices == {("evaluation", "validation masks"): 10 * (first.rounds + second.rounds)}
    assert read.scored == {*CASES, TEST[1]} and read.bought == {"train_a"} and (read.runs, read.sealed) == (2, 1)
    assert "1 of the split's 2 test volumes were scored and 0 annotated by any of the 2 runs" in read.sentence(TEST)
    assert "1 of the 2 runs had a vault" in read.sentence(TEST)
