"""What is read from folders, and what is not."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from bench.cli import main
from bench.report.runs.columns import RUNS, SCORES, STRUCTURES, VOLUME_DICE
from bench.report.runs.results import budget_text, collect
from tests.bench.report.study_files import record, runs, study


def test_frames(tmp_path: Path) -> None:
    folder = study(
        tmp_path / "s",
        [
            {"recipe": "random", "seed": 3, "dice": [0.2, 0.4], "rounds": {"marked": 50, "foreground": 9}},
            {"recipe": "coreset", "seed": 3, "dice": [0.5]},
        ],
    )
    results = collect(folder)
    frames = (results.scores, results.volume_dice, results.structures, results.runs)
    assert [list(frame.columns) for frame in frames] == [SCORES, VOLUME_DICE, STRUCTURES, RUNS]
    scores = results.scores.set_index(["recipe", "round", "metric"])["value"]
    assert scores["random", 1, "dice"] == pytest.approx(0.4)  # (.35 + .45) / 2
    assert scores["random", 1, "hd95_mm"] == 9.0 and scores["coreset", 0, "cover_radius"] == 1.0
    assert ("random", 1, "assd_mm") not in scores.index
    row = results.volume_dice[(results.volume_dice["recipe"] == "random") & (results.volume_dice["round"] == 1)].iloc[0]
    assert (row["dataset"], row["annotation"], row["schedule"], row["seed"]) == ("d", "mask", "default", 3)
    assert (row["budget"], row["labelled"], row["fraction"], row["cost"]) == ("20 %", 20, 0.2, 20 / 15)
    assert (row["marked"], row["foreground"], row["case"], row["patient"]) == (50, 9, "v1", "p1")
    assert results.volume_dice["dice"][:4].tolist() == pytest.approx([0.15, 0.25, 0.35, 0.45])
    old = results.structures[results.structures["recipe"] == "coreset"]
    assert old["dice"].isna().tolist() == [False, False, False, True]
    assert old["class"].tolist() == ["c0", "c1", "c0", "c1"]
    assert old["foreground"].isna().all() and old["patient"].tolist() == ["p1", "p1", "p2", "p2"]
    assert results.folders["d-random-mask-s3"] == folder / "runs" / "d-random-mask-s3"


def test_failed_unfinished_and_never_started_runs_are_told_apart(tmp_path: Path) -> None:
    results = collect(
        study(
            tmp_path / "s",
            [
                {"recipe": "random", "seed": 0, "dice": [0.2, 0.4, 0.6]},
                {"recipe": "random", "seed": 1, "dice": [0.2]},
                {"recipe": "coreset", "seed": 0, "dice": [0.5], "failure": "out of luck"},
                {"recipe": "coreset", "seed": 1, "dice": []},
            ],
        )
    )
    assert results.failed == {"d-coreset-mask-s0": "out of luck"}
    assert results.unfinished == ["d-random-mask-s1", "d-coreset-mask-s1"]
    assert results.runs["state"].tolist() == ["finished", "unfinished", "failed", "unfinished"]
    assert results.runs["rounds"].tolist() == [3, 1, 1, 0] and set(results.runs["wanted"]) == {3}


def test_a_copy_elsewhere_and_its_bare_run_folders_give_the_same(tmp_path: Path) -> None:
    first = study(tmp_path / "s", runs({"random": 0.6, "coreset": 0.7}, 2))
    there = collect(first)
    shutil.copytree(first, tmp_path / "elsewhere" / "copied")
    (tmp_path / "elsewhere" / "store" / "x").mkdir(parents=True)
    (tmp_path / "elsewhere" / "store" / "x" / "config.json").write_text("{}")  # not looked at
    copied = collect(tmp_path / "elsewhere")
    assert copied.scores.equals(there.scores) and copied.volume_dice.equals(there.volume_dice) and copied.problems == []
    (tmp_path / "elsewhere" / "copied" / "study.json").unlink()
    bare = collect(tmp_path / "elsewhere")
    order = ["key", "round", "metric"]
    assert bare.scores.sort_values(order, ignore_index=True).equals(there.scores.sort_values(order, ignore_index=True))
    assert bare.name == "copied" and bare.runs["wanted"].tolist() == [3] * 4


def test_studies_are_merged_and_a_run_in_both_counts_once(tmp_path: Path) -> None:
    a = study(
        tmp_path / "a",
        [
            {"recipe": "random", "seed": 0, "dice": [0.2, 0.4]},
            {"recipe": "coreset", "seed": 0, "dice": [0.3, 0.4, 0.5]},
            {"recipe": "badge", "seed": 0, "dice": [0.1, 0.1, 0.1]},
        ],
        "a",
        sources={"d": "Someone"},
    )
    b = study(
        tmp_path / "b",
        [
            {"recipe": "random", "seed": 0, "dice": [0.2, 0.4, 0.6]},
            {"recipe": "coreset", "seed": 0, "dice": [0.3]},
            {"recipe": "badge", "seed": 0, "dice": []},
            {"recipe": "random", "seed": 1, "dice": [0.1, 0.2, 0.3]},
        ],
        "b",
        sources={"random": "Nobody"},
    )
    results = collect([a, b])
    assert results.name == "a + b" and results.sources == {"d": "Someone", "random": "Nobody"}
    assert dict(zip(results.runs["key"], results.runs["rounds"], strict=True)) == {
        "d-random-mask-s0": 3,
        "d-coreset-mask-s0": 3,
        "d-badge-mask-s0": 3,
        "d-random-mask-s1": 3,
    }
    assert results.recipes == ["random", "coreset", "badge"] and results.unfinished == []
    assert results.folders["d-random-mask-s0"].is_relative_to(b)
    assert results.folders["d-coreset-mask-s0"].is_relative_to(a)
    assert len(results.scores) == 4 * 3 * 6 and set(results.scores["dataset"]) == {"d"} and results.notes == []


MIXED = {
    "prepared data": ({}, "other", "different data"),
    "preparation": ({"dataset.prepare": {"size": 96}}, "k", "different data"),
    "split": ({"dataset.split": {"name": "stratified", "seed": 1}}, "k", "different data"),
    "budgets": ({"budgets": [0.1, 0.3, 0.5]}, "k", "different budgets"),
    "steps": ({"train.iterations_full": 60000}, "k", "a different training"),
    "members": ({"members": 5}, "k", "members"),
    "validation volumes": ({"evaluate": {"surface": True, "part": "val"}}, "k", "a different evaluation"),
    "training": ({"train.lr": 0.1}, "k", "a different training"),
    "annotation": ({"annotation": {"name": "mask", "cost": 2.0}}, "k", "annotation"),
}


@pytest.mark.parametrize("what", MIXED)
@pytest.mark.parametrize("recipe", ["random", "coreset"])
def test_what_must_not_be_averaged_is_kept_apart(tmp_path: Path, what: str, recipe: str) -> None:
    changes, data_key, reason = MIXED[what]
    a = study(tmp_path / "a", runs({"random": 0.5}, 2), "a")
    b = study(tmp_path / "b", runs({recipe: 0.9}, 2, config=changes, data_key=data_key), "b")
    results = collect([a, b])
    dice = results.scores[(results.scores["metric"] == "dice") & (results.scores["round"] == 2)]
    means = dice.groupby("dataset")["value"].mean()
    assert means["d"] == pytest.approx(0.5, abs=0.03) and means["d (b)"] == pytest.approx(0.9, abs=0.03)
    (note,) = results.notes
    assert note.startswith("d (b) is kept apart from d: ") and reason in note
    assert results.runs["key"].is_unique and len(results.folders) == 4


def here(device: str, **more: Any) -> dict[str, Any]:
    return {"device": device, "gpu": "A big one" if device.startswith("cuda") else None, **more}


AUTO, FLOAT, HALF = ({"train.precision": precision} for precision in ("auto", "float32", "bfloat16"))
ARITHMETIC: dict[str, tuple[tuple[Any, Any], tuple[Any, Any], bool]] = {
    "automatic here and there": ((AUTO, here("cpu")), (AUTO, here("cuda")), True),
    "automatic on one device": ((AUTO, here("cuda")), (AUTO, here("cuda:1")), False),
    "one chosen, the same found": ((FLOAT, here("cuda")), (AUTO, here("cpu")), False),
    "one chosen, another found": ((HALF, here("cpu")), (AUTO, here("cpu")), True),
    "two chosen": ((HALF, here("cuda")), (FLOAT, here("cuda")), True),
    "older than the choice": (({}, here("cuda")), (AUTO, here("cpu")), False),
    "not recorded": ((AUTO, {}), (AUTO, here("cuda")), False),
}


@pytest.mark.parametrize("what", ARITHMETIC)
@pytest.mark.parametrize("together", [False, True])
def test_networks_of_other_arithmetic_are_not_averaged(tmp_path: Path, what: str, together: bool) -> None:
    *made, other = ARITHMETIC[what]
    both = [
        {"recipe": "random", "seed": seed, "dice": [0.5, 0.5, 0.5], "config": config, "environment": environment}
        for seed, (config, environment) in enumerate(made)
    ]
    folders = [[run] for run in both] if not together else [both]
    results = collect([study(tmp_path / str(i), listed, "s") for i, listed in enumerate(folders)])
    assert set(results.scores["dataset"]) == ({"d", "d (s)"} if other else {"d"})
    assert len(results.notes) == other and all("networks trained in" in note for note in results.notes)


def test_a_study_on_two_kinds_of_machine_keeps_those_of_each_together(tmp_path: Path) -> None:
    kinds = [("random", 0, "cpu"), ("random", 1, "cuda"), ("coreset", 1, "cuda"), ("coreset", 0, "cpu")]
    listed = [
        {"recipe": recipe, "seed": seed, "dice": [0.5] * 3, "config": AUTO, "environment": here(device)}
        for recipe, seed, device in kinds
    ]
    table = collect(study(tmp_path / "s", listed)).runs
    assert set(zip(table["dataset"], table["recipe"], table["seed"], strict=True)) == {
        ("d", "random", 0),
        ("d", "coreset", 0),
        ("d (s)", "random", 1),
        ("d (s)", "coreset", 1),
    }


def test_a_study_may_choose_the_arithmetic_of_a_recipe(tmp_path: Path) -> None:
    place: dict[str, Any] = {"environment": here("cuda")}
    both = [*runs({"random": 0.5}, 1, config=AUTO, **place), *runs({"in_float": 0.5}, 1, config=FLOAT, **place)]
    assert set(collect(study(tmp_path / "s", both)).scores["dataset"]) == {"d"}


HARMLESS = {
    "place of the data": {"dataset.root": "/elsewhere"},
    "device that is wished for": {"device": "cuda"},
    "the part that older configurations do not name": {"evaluate": {"surface": True, "part": "test"}},
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_does_not_matter_is_merged(tmp_path: Path, what: str) -> None:
    a = study(tmp_path / "a", runs({"random": 0.5}, 1), "a")
    b = study(tmp_path / "b", [{"recipe": "random", "seed": 1, "dice": [0.5, 0.5, 0.5], "config": HARMLESS[what]}], "b")
    results = collect([a, b])
    assert set(results.scores["dataset"]) == {"d"} and results.notes == []


def test_settings_of_their_own_are_no_conflict(tmp_path: Path) -> None:
    a = study(tmp_path / "a", runs({"random": 0.5}, 1), "a")
    b = study(tmp_path / "b", runs({"random": 0.8}, 1, config={"schedule": "full", "budgets": [0.3, 0.6, 1.0]}), "b")
    results = collect([a, b])
    assert set(results.scores["schedule"]) == {"default", "full"} and set(results.scores["dataset"]) == {"d"}


def test_annotation_kinds_may_be_trained_otherwise(tmp_path: Path) -> None:
    other = {"annotation": {"name": "scribble"}, "train.iterations_full": 9, "train.network": {"name": "unet_dual"}}
    a = study(tmp_path / "a", runs({"random": 0.5}, 1), "a")
    b = study(tmp_path / "b", runs({"random": 0.8}, 1, config=other), "b")
    results = collect([a, b])
    assert set(results.scores["annotation"]) == {"mask", "scribble"} and set(results.scores["dataset"]) == {"d"}


def test_two_studies_of_one_name_do_not_vouch_for_each_other(tmp_path: Path) -> None:
    a = study(tmp_path / "a", runs({"random": 0.5}, 1), "quick")
    b = study(tmp_path / "b", runs({"coreset": 0.8}, 1, config={"train.lr": 0.5}), "quick")
    assert set(collect([a, b]).scores["dataset"]) == {"d", "d (quick)"}


def test_a_study_may_give_a_recipe_its_own_training(tmp_path: Path) -> None:
    own = {"train.network": {"name": "unet3d"}, "train.batch": 1}
    both = [*runs({"random": 0.5}, 1), *runs({"random_3d": 0.5}, 1, config=own)]
    results = collect([study(tmp_path / "a", both, "a"), study(tmp_path / "b", runs({"coreset": 0.5}, 1), "b")])
    assert set(results.scores["dataset"]) == {"d"} and results.notes == []


def test_another_recipe_of_the_same_name_gets_one_of_its_own(tmp_path: Path) -> None:
    a = study(tmp_path / "a", runs({"random": 0.5, "coreset": 0.6}, 2), "a")
    changed = {"recipe": {"name": "coreset", "strategy": {"name": "coreset", "start": "medoid"}}}
    b = study(tmp_path / "b", runs({"coreset": 0.9}, 2, config=changed), "b")
    results = collect([a, b])
    assert results.recipes == ["random", "coreset", "coreset (b)"] and set(results.scores["dataset"]) == {"d"}
    assert results.notes == ["coreset (b) is shown beside coreset: same name, different parameters."]


def test_a_seed_that_was_run_twice_counts_once(tmp_path: Path) -> None:
    a = study(tmp_path / "a", [{"recipe": "random", "seed": 0, "dice": [0.5], "key": "one"}], "a")
    b = study(
        tmp_path / "b",
        [{"recipe": "random", "seed": 0, "dice": [0.5, 0.5], "key": "two", "config": {"threads": 4}}],
        "b",
    )
    results = collect([a, b])
    assert results.runs["key"].tolist() == ["two"]
    assert results.notes == ["one is left out: two is the same recipe and seed (threads may differ)."]


def test_names_stay_apart_however_many_conflict(tmp_path: Path) -> None:
    folders = [study(tmp_path / name, runs({"random": 0.5}, 1, data_key=name), "same") for name in ("k1", "k2", "k3")]
    results = collect(folders)
    assert list(dict.fromkeys(results.runs["dataset"])) == ["d", "d (same)", "d (same, 2)"]
    assert results.runs["key"].is_unique


def test_a_run_that_never_started_goes_with_its_study(tmp_path: Path) -> None:
    a = study(tmp_path / "a", runs({"random": 0.5}, 1), "a")
    never = {"recipe": "coreset", "seed": 0, "dice": []}
    b = study(tmp_path / "b", [*runs({"random": 0.5}, 1, data_key="o"), never], "b")
    table = collect([a, b]).runs.set_index(["study", "recipe"])["dataset"]
    assert table["b", "coreset"] == table["b", "random"] == "d (b)"


def test_damaged_and_foreign_folders_are_told_and_the_rest_is_reported(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6, "badge": 0.6}, 1))
    with (folder / "runs" / "d-coreset-mask-s0" / "rounds.jsonl").open("a") as file:
        file.write('{"round": 3}\n')
    (folder / "runs" / "d-badge-mask-s0" / "config.json").write_text('{"fingerprint"')
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model": "resnet"}')
    results = collect([folder, tmp_path / "foreign", tmp_path / "nowhere"])
    assert set(results.scores["recipe"]) == {"random"} and results.unfinished == []
    text = "\n".join(results.problems)
    assert len(results.problems) == 5 and all("\n" not in line for line in results.problems)
    for run in ("coreset", "badge"):
        assert f"d-{run}-mask-s0 is damaged" in text
    assert "not that of a run" in text and "nowhere: no results" in text


ODD: dict[str, tuple[str, tuple[str, ...], Any, str]] = {
    "no dice": ("rounds.jsonl", ("volumes", "0"), {"case": "v1", "class": "c0"}, "round 0: volumes.0.dice"),
    "a row that is none": ("rounds.jsonl", ("volumes", "1"), "v1", "round 0: volumes.1"),
    "a case that is no name": ("rounds.jsonl", ("volumes", "0", "case"), ["v1"], "round 0: volumes.0.case"),
    "text for a number": ("rounds.jsonl", ("summary", "dice"), "good", "round 0: summary.dice"),
    "a number as text": ("rounds.jsonl", ("summary", "nsd"), "0.5", "round 0: summary.nsd"),
    "seconds": ("rounds.jsonl", ("seconds", "train"), None, "round 0: seconds.train"),
    "members": ("rounds.jsonl", ("members",), [3], "round 0: members.0"),
    "signals": ("rounds.jsonl", ("signals",), {"encoder_seconds": "long"}, "round 0: signals.encoder_seconds"),
    "network": ("config.json", ("config", "train"), {}, "config.json: train.network"),
    "dataset": ("config.json", ("config", "dataset"), "d", "config.json: dataset"),
    "sizes": ("environment.json", ("data", "patients"), {"test": "many"}, "environment.json: data.patients.test"),
    "packages": ("environment.json", ("packages",), ["torch"], "environment.json: packages"),
}


@pytest.mark.parametrize("what", ODD)
def test_one_odd_run_leaves_the_others_their_report(tmp_path: Path, what: str) -> None:
    name, path, value, told = ODD[what]
    place: dict[str, Any] = {"environment": {"device": "cpu", "data": {"patients": {"test": 2}}}}
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 1, **place))
    file = folder / "runs" / "d-coreset-mask-s0" / name
    lines = file.read_text().splitlines()
    content = json.loads(lines[0])
    inner = content
    for key in path[:-1]:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    inner[int(path[-1]) if isinstance(inner, list) else path[-1]] = value
    file.write_text("".join(line + "\n" for line in [json.dumps(content), *lines[1:]]))
    (problem,) = collect(folder).problems
    assert "d-coreset-mask-s0 is damaged" in problem and told in problem and "\n" not in problem
    if what not in ("no dice", "text for a number"):  # one whole report of each kind is enough
        return
    done = CliRunner().invoke(main, ["report", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0 and "random" in done.output and "is damaged" in done.output
    assert told in (folder / "report" / "comparison.md").read_text()


def test_emptiness_that_is_only_yes_or_no_can_be_read(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5}, 1))
    file = folder / "runs" / "d-random-mask-s0" / "rounds.jsonl"
    file.write_text(file.read_text().replace('"empty":""', '"empty":false'))
    assert collect(folder).problems == []


def test_without_its_list_a_study_is_its_run_folders(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5}, 2))
    (folder / "study.json").write_text("[")
    results = collect(folder)
    assert len(results.runs) == 2 and "study.json is damaged" in results.problems[0]


def test_rounds_without_a_configuration_are_told(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5}, 2))
    (folder / "study.json").unlink()
    (folder / "runs" / "d-random-mask-s1" / "config.json").unlink()
    results = collect(folder)
    assert len(results.runs) == 1 and "d-random-mask-s1 has rounds but no config.json" in results.problems[0]


def test_more_rounds_than_budgets_are_damage(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.5}, 1))
    place = RunFolder(folder / "runs" / "d-random-mask-s0")
    line = json.loads((place.path / "rounds.jsonl").read_text().splitlines()[-1])
    with (place.path / "rounds.jsonl").open("a") as file:
        file.write(json.dumps({**line, "round": 3}) + "\n")
    (problem,) = collect(folder).problems
    assert "4 rounds for 3 budgets" in problem


def test_a_round_cut_off_by_a_kill_does_not_count(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", [{"recipe": "random", "seed": 0, "dice": [0.5, 0.6]}])
    with (folder / "runs" / "d-random-mask-s0" / "rounds.jsonl").open("a") as file:
        file.write('{"round": 2')
    results = collect(folder)
    assert results.runs["rounds"].tolist() == [2] and results.problems == []


@pytest.mark.parametrize("there", [False, True])
def test_no_results_at_all(tmp_path: Path, there: bool) -> None:
    place = tmp_path / "empty"
    if there:
        place.mkdir()
    with pytest.raises(ResultsError, match="study.json is missing"):
        collect(place)


def test_runs_without_a_configuration_are_reported(tmp_path: Path) -> None:
    results = collect(study(tmp_path / "s", runs({"random": 0.5}, 2, config=None)))
    assert len(results.volume_dice) == 12 and results.facts["d", "mask", "default"]["preparation"] == "not recorded"


def test_budget_text() -> None:
    assert [budget_text(b) for b in (0.015, 1.0, 12)] == ["1.5 %", "100 %", "12"]


def test_weights_origins_and_memory(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", [{"recipe": "coreset", "seed": 0, "dice": [0.5, 0.6]}])
    place = RunFolder(folder / "runs" / "d-coreset-mask-s0")
    place.append(record(2, {"v1": [0.5]}, signals={"init": "random (no network)", "labels": "simulated"}, peak_mb=800))
    results = collect(folder)
    assert results.weights == {"coreset": "random (no network)"} and results.origins == {("d", "mask"): "simulated"}
    assert results.peak_mb == 800 and math.isclose(results.seconds["seconds"].sum(), 3.0)
