"""How the numbers were made, what a reader must know, what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.report.runs.results import collect
from tests.bench.report.study_files import runs, sealed, study

SETTING = ("d", "mask", "default")
ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.7",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
    "device": "cuda",
    "gpu": "A big one",
    "threads": 2,
    "alseg": "0.1.0",
    "commit": "abc123",
    "data": {
        "patients": {"train": 65, "val": 10, "test": 25},
        "volumes": {"train": 130, "val": 20, "test": 50},
        "slices": {"train": 1198, "val": 188, "test": 516},
        "iterations": [2000, 3000, 60000],
        "data_key": "k",
    },
}


def test_facts_are_those_that_are_recorded(tmp_path: Path) -> None:
    both = runs({"random": 0.5}, 2, environment=ENVIRONMENT)
    both[1]["environment"] = {**ENVIRONMENT, "commit": "def456", "gpu": None, "device": "cpu"}
    facts = collect(study(tmp_path / "s", both)).facts[SETTING]
    assert facts["training set"] == "65 patients, 130 volumes, 1,198 slices"
    assert facts["test set"] == "25 patients, 50 volumes, 516 slices"
    assert facts["training steps per round"] == "2,000, 3,000, 60,000"
    assert facts["alseg"] == "0.1.0 at commit abc123; 0.1.0 at commit def456"
    assert facts["device"] == "A big one; cpu" and facts["threads"] == "2"
    assert facts["packages"] == "torch 2.13.0, numpy 2.4.6"
    assert facts["split"] == "stratified: seed 0" and facts["classes"] == "background, c0, c1"
    assert facts["prepared data"] == "k" and facts["networks per round"] == "1"


def test_old_runs_say_what_they_do_not_record(tmp_path: Path) -> None:
    facts = collect(study(tmp_path / "s", runs({"random": 0.5}, 1))).facts[SETTING]
    for label in ("training set", "validation set", "test set", "device", "alseg", "packages"):
        assert facts[label] == "not recorded"
    assert facts["training steps per round"] == "3,000, 3,000, 3,000"  # of the networks' records


def test_savings_by_hand(tmp_path: Path) -> None:
    shared = {"signals": {"training": "shared"}, "seconds": {"train": 1800.0, "select": 9.0}}
    encoded = {"signals": {"encoder": "e0", "encoder_seconds": 3600.0}}
    folder = study(
        tmp_path / "s",
        [
            {"recipe": "random", "seed": 0, "dice": [0.5], "rounds": {"signals": {"training": "own"}}},
            {"recipe": "entropy", "seed": 0, "dice": [0.5], "rounds": shared},
            {"recipe": "badge", "seed": 0, "dice": [0.5], "rounds": shared},
            *({"recipe": name, "seed": 0, "dice": [0.5, 0.5], "rounds": encoded} for name in ("gcl", "gcl_b", "gcl_c")),
        ],
    )
    savings = collect(folder).savings
    assert savings is not None
    assert (savings.trainings, savings.shared, savings.hours) == pytest.approx((9, 2, 1.0))
    assert (savings.encoders, savings.trained, savings.encoder_hours) == pytest.approx((3, 1, 2.0))
    assert savings.sentences == [
        "Trainings: 7 run, 9 needed; 2 were shared, which saved 1.0 hours.",
        "Encoders: 1 trained for 3 runs that use one, which saved 2.0 hours.",
    ]


def test_savings_that_are_not_recorded_are_not_claimed(tmp_path: Path) -> None:
    savings = collect(study(tmp_path / "s", runs({"random": 0.5}, 1))).savings
    assert savings is not None and savings.sentences == [
        "Trainings: 3 were needed; how many were shared is not recorded."
    ]


def test_nothing_to_warn_of(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5}, 3, environment=ENVIRONMENT))
    assert collect(folder).warnings == []


WARNINGS: dict[str, tuple[dict[str, Any], int, str]] = {
    "seeds": ({}, 2, "Fewer than 3 seeds: do not treat any difference as a finding (2 per recipe)."),
    "patients": (
        {"environment": {**ENVIRONMENT, "data": {"patients": {"test": 6}}}},
        3,
        "Few test patients: one patient can decide a small difference (6 patients, 2 volumes).",
    ),
    "volumes": ({"environment": {}}, 3, "Few test patients: one patient can decide a small difference (2 volumes)."),
    "steps": (
        {"rounds": {"members": [{"iterations": 240.0}]}},
        3,
        "scores also reflect how fast they learn (from 240).",
    ),
    "weights": ({"rounds": {"signals": {"init": "random"}}}, 3, "published ones start from ImageNet (random)."),
    "relaxed": (
        {"rounds": {"signals": {"spread": {"gap": 1}}}},
        3,
        "Limits on the spread of picks were relaxed where too few slices kept them (random in 9 of 9 rounds).",
    ),
    "scribbles": ({"rounds": {"signals": {"labels": "simulated"}}}, 3, "Scribbles were simulated from masks"),
    "validation": (
        {"config": {"evaluate": {"part": "val"}}, "environment": {**ENVIRONMENT, "data": {"patients": {"val": 20}}}},
        3,
        "Scores are from validation volumes",
    ),
}


@pytest.mark.parametrize("what", WARNINGS)
def test_each_warning(tmp_path: Path, what: str) -> None:
    changes, seeds, text = WARNINGS[what]
    folder = study(tmp_path / "s", runs({"random": 0.5}, seeds, **{"environment": ENVIRONMENT, **changes}))
    (warning,) = collect(folder).warnings
    assert text in warning


def test_recipes_that_did_the_same_are_told(tmp_path: Path) -> None:
    picks = [{"case": "v", "z": z, "score": 0.1} for z in (3, 5)]
    turned, other = [{**pick, "score": 0.2} for pick in reversed(picks)], [picks[0], {**picks[1], "z": 6}]

    def three(recipe: str, selected: list[dict[str, Any]], noise: float = 0.01) -> list[dict[str, Any]]:
        return runs({recipe: 0.5}, 3, noise, environment=ENVIRONMENT, rounds={"selected": selected})

    same = [*three("of_8", picks), *three("whole", turned), *three("of_4", other), *three("longer", picks, 0.02)]
    (warning,) = collect(study(tmp_path / "s", same)).warnings
    assert "same slices" in warning and warning.endswith("they are one method (of_8 = whole).")
    same[4]["dice"] = [0.1, 0.2, 0.3]
    assert collect(study(tmp_path / "t", same)).warnings == []


def test_recipes_that_have_only_started_alike_are_not_told(tmp_path: Path) -> None:
    picks = [{"case": "v", "z": z, "score": 0.1} for z in (3, 5)]
    begun = [
        {**run, "dice": run["dice"][:1]}
        for name in ("random", "entropy")
        for run in runs({name: 0.5}, 3, environment=ENVIRONMENT, rounds={"selected": picks})
    ]
    assert not any("same slices" in warning for warning in collect(study(tmp_path / "s", begun)).warnings)


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "gpu": ({"gpu": "A small one"}, "devices (A big one; A small one)."),
    "device": ({"gpu": None, "device": "cpu"}, "devices (A big one; cpu)."),
    "torch": ({"packages": {"torch": "2.9.0"}}, "versions of torch (2.13.0; 2.9.0)."),
    "alseg": ({"alseg": "0.2.0"}, "versions of alseg (0.1.0; 0.2.0)."),
    "commit": ({"commit": "def456"}, "commits of alseg (abc123; def456)."),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_runs_of_one_setting_made_on_different_machines_are_told(tmp_path: Path, what: str) -> None:
    changes, text = DIFFERENT[what]
    three = runs({"random": 0.5}, 3, environment=ENVIRONMENT)
    three[2]["environment"] = {**ENVIRONMENT, **changes}
    assert collect(study(tmp_path / "s", three)).warnings == [f"Runs of one setting used different {text}"]


MAKER = {"alseg": "0.1.0", "commit": "abc123", "torch": "2.13.0", "device": "A big one"}


@pytest.mark.parametrize(
    ("fact", "now", "text"),
    [
        ("device", "cpu", "devices"),
        ("torch", "2.9.0", "versions of torch"),
        ("alseg", "0.2.0", "versions of alseg"),
        ("commit", "def456", "commits of alseg"),
    ],
)
def test_rounds_of_one_run_made_with_something_else_are_told(tmp_path: Path, fact: str, now: str, text: str) -> None:
    three = runs({"random": 0.5}, 3, environment=ENVIRONMENT)
    folder = study(tmp_path / "s", three)
    path = sorted(folder.glob("runs/*/rounds.jsonl"))[1]
    sealed(path, *({"made_by": by} for by in (MAKER, MAKER, {**MAKER, fact: now})))
    results = collect(folder)
    known = f"{MAKER[fact]}; {now}"
    assert results.warnings == [
        f"Runs of one setting used different {text} ({known}).",
        f"Rounds of one run were made with different {text}, so a step between them may be theirs "
        f"(random, seed 1: {MAKER[fact]} then {now}).",
    ]
    label = {"device": "device", "alseg": "alseg", "commit": "alseg"}.get(fact)
    assert label is None or now in results.facts["d", "mask", "default"][label]


def test_what_is_not_recorded_is_no_difference(tmp_path: Path) -> None:
    three = runs({"random": 0.5}, 3, environment=ENVIRONMENT)
    three[2]["environment"] = {"data": ENVIRONMENT["data"]}
    assert collect(study(tmp_path / "s", three)).warnings == []


def test_warnings_name_the_settings_that_they_are_about(tmp_path: Path) -> None:
    other = {"schedule": "low"}
    folder = study(
        tmp_path / "s",
        [
            *runs({"random": 0.5, "coreset": 0.6}, 3, environment=ENVIRONMENT),
            *runs({"random": 0.5}, 2, environment=ENVIRONMENT, config=other),
            *runs({"coreset": 0.5}, 1, environment=ENVIRONMENT, config=other),
        ],
    )
    assert collect(folder).warnings == [
        "Fewer than 3 seeds: do not treat any difference as a finding (d, mask, budgets low: 1 to 2 per recipe).",
        "Unequal numbers of seeds: comparisons use the seeds that both recipes have "
        "(d, mask, budgets low: fewer than 2: coreset).",
    ]
