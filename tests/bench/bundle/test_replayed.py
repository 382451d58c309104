"""Rounds made again: what of them is compared, on the same device and where the bundle says another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from alseg_core.vocabulary import RoundRecord
from bench.bundle.check import REPLAY, Verdict, check
from bench.bundle.compared import compared
from bench.bundle.finding import Finding
from bench.bundle.opened import opened
from tests.bench.bundle.forging import Forged, ForgedRun, forge
from tests.bench.bundle.test_forgeries import better, invented_pick, problems

H100 = "NVIDIA H100 80GB HBM3"
OTHER = [f"device {H100} to cpu"]


@pytest.fixture(scope="module")
def honest_round(honest: Path) -> tuple[RunConfig, RoundRecord]:
    """The second round of entropy, in which the network predicts something, and its configuration."""
    with opened(honest) as bundle:
        run = next(run for run in bundle.started if (run.recipe, run.seed) == ("entropy", 0))
        record = run.records[1]
        assert record.summary["hd95_mm"] is not None
        return bundle.configs[run.key], record


def with_summary(record: RoundRecord, **values: float | None) -> RoundRecord:
    return dataclasses.replace(record, summary={**record.summary, **values})


def scaled(name: str, factor: float) -> Callable[[RoundRecord], RoundRecord]:
    def change(record: RoundRecord) -> RoundRecord:
        if name not in record.summary:
            return dataclasses.replace(record, **{name: getattr(record, name) * factor})
        value = record.summary[name]
        assert value is not None
        return with_summary(record, **{name: value * factor})

    return change


def raised(name: str, by: float) -> Callable[[RoundRecord], RoundRecord]:
    def change(record: RoundRecord) -> RoundRecord:
        value = record.summary[name]
        assert value is not None
        return with_summary(record, **{name: value + by})

    return change


def outcome(found: list[Finding]) -> str:
    return "problem" if any(finding.problem for finding in found) else "note" if found else ""


@pytest.mark.parametrize(
    ("change", "here", "elsewhere", "text"),
    [
        (scaled("cost", 0.1), "problem", "problem", "cost is 0.04, the replay gives 0.4"),
        (scaled("minutes", 0.9), "problem", "problem", "minutes is"),
        (scaled("validation_minutes", 0.5), "problem", "problem", "validation_minutes is"),
        (scaled("marked", 2), "problem", "problem", "marked is 364, the replay gives 182"),
        (scaled("foreground", 2), "problem", "problem", "foreground is 62, the replay gives 31"),
        (scaled("cover_radius", 0.999), "problem", "problem", "cover_radius is"),
        (scaled("cover_radius", 1 + 1e-6), "", "", ""),
        (scaled("hd95_mm", 0.1), "problem", "note", "HD95 is"),
        (scaled("hd95_mm", 0.9), "note", "note", "HD95 is"),
        (scaled("assd_mm", 0.1), "problem", "note", "ASSD is"),
        (raised("nsd", 0.3), "problem", "note", "NSD is 0.3000, the replay gives 0.0000"),
        (raised("nsd", 0.05), "note", "note", "NSD is 0.0500"),
        (raised("nsd", 0.5), "problem", "problem", "NSD is 0.5000"),
        (raised("dice", 0.04), "note", "note", "Dice is"),
        (raised("dice", 0.1), "problem", "note", "Dice is"),
        (raised("dice", 0.25), "problem", "problem", "Dice is"),
        (lambda record: with_summary(record, dice=None), "problem", "problem", "Dice is undefined"),
        (lambda record: dataclasses.replace(record, minutes=None, marked=None, foreground=None), "", "", ""),
    ],
)
def test_what_follows_from_picks_is_compared_everywhere_and_scores_as_far_as_devices_differ(
    honest_round: tuple[RunConfig, RoundRecord],
    change: Callable[[RoundRecord], RoundRecord],
    here: str,
    elsewhere: str,
    text: str,
) -> None:
    config, ours = honest_round
    assert not list(compared("round 2", ours, ours, config, []))
    found = list(compared("round 2", ours, change(ours), config, []))
    other = list(compared("round 2", ours, change(ours), config, OTHER))
    assert (outcome(found), outcome(other)) == (here, elsewhere)
    assert all(text in finding.text and finding.text.startswith("round 2: ") for finding in (*found, *other))
    assert all(("does not explain" in finding.text) == finding.problem for finding in other)


def test_distances_of_other_structures_are_a_note(honest_round: tuple[RunConfig, RoundRecord]) -> None:
    """A structure that one of two networks misses belongs to one mean alone."""
    config, ours = honest_round
    theirs = with_summary(ours, hd95_mm=None, assd_mm=None, empty_predictions=6.0)
    assert outcome(list(compared("round 2", ours, theirs, config, []))) == "note"
    assert outcome(list(compared("round 2", ours, with_summary(ours, hd95_mm=None), config, []))) == "problem"


def test_minutes_that_depend_on_a_network_and_radii_in_an_embedding_are_no_problem(
    honest_round: tuple[RunConfig, RoundRecord],
) -> None:
    config, ours = honest_round
    plain = config.describe()
    theirs = scaled("minutes", 0.9)(scaled("cover_radius", 0.9)(ours))
    settings: dict[str, Any] = {"minutes": {"prefill": True}, "cover": "contrastive"}
    (told,) = compared("round 2", ours, theirs, RunConfig.load({**plain, **settings}), [])
    assert not told.problem and told.text.startswith("round 2: cover_radius is")
    first = dataclasses.replace(ours, round=0)  # there is no network yet
    (wrong, _) = compared("round 1", first, theirs, RunConfig.load({**plain, **settings}), [])
    assert wrong.problem and wrong.text.startswith("round 1: minutes is")


def notes(verdict: Verdict) -> str:
    return "\n".join(finding.text for finding in verdict.found[REPLAY] if not finding.problem)


def only(forged: Forged, *recipes: str) -> list[ForgedRun]:
    """Leave one run of each recipe, so that its replay is quick; return them."""
    for run in list(forged.runs):
        if (forged.entry(run)["recipe"], forged.entry(run)["seed"]) not in [(recipe, 0) for recipe in recipes]:
            forged.drop(run)
    return forged.runs


def elsewhere(forged: Forged) -> None:
    for record in (record for run in forged.runs for record in run.rounds):
        record["made_by"]["device"] = H100


def shorter_distances_and_lower_costs(forged: Forged) -> None:
    for run in only(forged, "entropy", "random"):
        record = run.rounds[1]
        before = record["cost"]
        record["cost"] = run.rounds[0]["cost"] + (before - run.rounds[0]["cost"]) / 10
        for entry in (entry for entry in record["ledger"] if entry["who"] == "oracle"):
            entry["cost"] /= 10
        for row in record["volumes"]:
            row |= {name: row[name] and row[name] / 10 for name in ("hd95_mm", "assd_mm")}
            row["nsd"] += 0.3 * (row["empty"] == "")
        run.average()


def test_edited_costs_and_distances_are_found(honest: Path, tmp_path: Path) -> None:
    forged = forge(honest, tmp_path / "forged.alseg.zip", shorter_distances_and_lower_costs)
    found = problems(check(forged, replay=4))[REPLAY]
    assert "entropy seed 0, round 2: cost is" in found and "; HD95 is" in found
    assert "random seed 0, round 2: cost is" in found and "; ASSD is" in found
    assert "round 1" not in found


def invented_pick_elsewhere(forged: Forged) -> None:
    only(forged, "entropy", "random")
    invented_pick(forged)
    elsewhere(forged)


def test_picks_of_another_device_are_told_and_counted(honest: Path, tmp_path: Path) -> None:
    verdict = check(forge(honest, tmp_path / "forged.alseg.zip", invented_pick_elsewhere), replay=4)
    assert REPLAY not in problems(verdict)
    assert "entropy seed 0, round 2: its picks are not those that are made again, with other software" in notes(verdict)
    assert "1 of 4 rounds made again could not be judged" in notes(verdict)


def invented_dice_elsewhere(forged: Forged) -> None:
    only(forged, "entropy", "random")
    elsewhere(forged)
    for run in forged.runs:
        better(run, 1, 0.35)


def test_dice_that_no_device_explains_is_found_elsewhere(honest: Path, tmp_path: Path) -> None:
    found = problems(check(forge(honest, tmp_path / "forged.alseg.zip", invented_dice_elsewhere), replay=4))
    for recipe in ("entropy", "random"):
        assert f"{recipe} seed 0, round 2: Dice is 0.8" in found[REPLAY]
    assert f"which other software or another device (device {H100} to cpu) does not explain" in found[REPLAY]


def chosen_drawn_picks(forged: Forged) -> None:
    """Exchange picks that a seed draws: the first ones of entropy, and the second ones of random."""
    only(forged, "entropy", "random")
    elsewhere(forged)
    for recipe, number in (("entropy", 0), ("random", 1)):
        forged.run(recipe, 0).rounds[number]["selected"].reverse()


def test_picks_that_a_seed_draws_are_the_same_on_all_devices(honest: Path, tmp_path: Path) -> None:
    found = problems(check(forge(honest, tmp_path / "forged.alseg.zip", chosen_drawn_picks), replay=4))
    for place in ("entropy seed 0, round 1", "random seed 0, round 2"):
        assert f"{place}: its picks are not those that are made again, and they are the same" in found[REPLAY]


def other_strategy_elsewhere(forged: Forged) -> None:
    """Say that all picks of a run are those of a strategy whose embedding another device made."""
    (run,) = only(forged, "entropy")
    elsewhere(forged)
    run.config["recipe"] |= {"strategy": "coreset", "embed": "pixels"}
    forged.identify(run)


def test_replay_that_can_judge_no_round_fails(honest: Path, tmp_path: Path) -> None:
    verdict = check(forge(honest, tmp_path / "forged.alseg.zip", other_strategy_elsewhere), replay=2)
    assert problems(verdict)[REPLAY].startswith("0 of 2 rounds made again could be judged: their picks, or picks")
    assert "round 1: its picks are not those that are made again, with other software" in notes(verdict)


def continued_elsewhere(forged: Forged) -> None:
    (run,) = only(forged, "entropy")
    invented_pick(forged)
    run.rounds[1]["made_by"] = {**run.rounds[1]["made_by"], "device": H100}


def test_run_that_was_continued_elsewhere_is_judged_round_by_round(honest: Path, tmp_path: Path) -> None:
    verdict = check(forge(honest, tmp_path / "forged.alseg.zip", continued_elsewhere), replay=2)
    assert REPLAY not in problems(verdict)
    assert "1 of 2 rounds made again could not be judged" in notes(verdict)
