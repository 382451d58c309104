"""Every way to cheat that we could think of, packed as a forger would pack it, and the check that finds it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alseg_core.data.readers.phantom import Phantom
from bench.bundle.check import FORM, REPLAY, Verdict, check
from bench.bundle.private import CASE, pseudonym
from bench.report.runs.schema import MOMENT
from tests.bench.bundle.forging import Forged, ForgedRun, forge

IDENTITY, COMPLETE, SPLIT = "runs are who they say", "every seed, recipe and budget", "one split, test patients apart"
PICKS, DRAWS, SHARED = "picks", "random picks drawn again", "runs of a seed share what they must"
SCORES, COPIES, FACTS = "means from volumes", "no copied scores", "table and facts made again"
LABELS, BASELINE, TIMES = "labels and who read them", "random at the same settings", "times"
TUNING, SETTINGS, KNOWN = "what tuning looked at", "settings of alseg", "strict: settings that load"

STEPS = "networks trained as planned"
MADE = "generated data made again"
SURFACES = "distances of surfaces"
FINGERPRINTS = "strict: fingerprints made again"
PIXELS = "labelled pixels"
TESTED, AGAINST = "what is tested", "strict: tested against random"


def problems(verdict: Verdict) -> dict[str, str]:
    """Check -> its problems, of those that found any."""
    found = {name: [f.text for f in some if f.problem] for name, some in verdict.found.items()}
    return {name: "\n".join(texts) for name, texts in found.items() if texts}


def better(run: ForgedRun, number: int, by: float = 0.1) -> None:
    """Give a round scores that look like a network that has learned something, means included."""
    for i, row in enumerate(run.rounds[number]["volumes"]):
        if row["empty"] in ("", "prediction"):
            row |= {"dice": 0.5 + 0.01 * i + by, "hd95_mm": 4.0 + i, "assd_mm": 1.0, "nsd": 0.6, "empty": ""}
    run.average()


def unknown_setting(forged: Forged) -> None:
    """Leave a seed out under new numbers, with a setting that stops the check from knowing the draws."""
    for recipe in ("random", "entropy"):
        forged.drop(forged.run(recipe, 0))
    for run in forged.runs:
        run.config["seed"] -= 1
        run.config["notes"] = "x"
        forged.identify(run)


def unknown_setting_of_an_older_version(forged: Forged) -> None:
    unknown_setting(forged)
    for record in (record for run in forged.runs for record in run.rounds):
        record["made_by"]["alseg"] = "0.0.9"


def outside_metric(forged: Forged) -> None:
    for run in forged.runs:
        run.config["evaluate"]["metrics"] = ["no_such_module:Metric"]
        forged.identify(run)


def chosen_random_picks_beside_outside_code(forged: Forged) -> None:
    outside_metric(forged)
    for record in (record for run in forged.of("random") for record in run.rounds):
        record["selected"] = record["selected"][::-1]


def easier_split_beside_outside_code(forged: Forged) -> None:
    chosen_random_picks_beside_outside_code(forged)
    easier_split_for_all(forged)


def edited_mean(forged: Forged) -> None:
    for run in forged.of("entropy"):
        run.rounds[1]["summary"]["dice"] = 0.9


def edited_class_mean(forged: Forged) -> None:
    forged.run("entropy", 0).rounds[1]["summary"]["dice_wall"] = 0.95


def dropped_bad_seed(forged: Forged) -> None:
    forged.drop(forged.run("entropy", 1))


def hidden_failure(forged: Forged) -> None:
    del forged.run("entropy", 2).rounds[1]


def repeated_seed(forged: Forged) -> None:
    for recipe in ("random", "entropy"):
        source, target = forged.run(recipe, 0), forged.run(recipe, 2)
        target.identity, target.rounds = copy.deepcopy(source.identity), copy.deepcopy(source.rounds)
        target.config["seed"] = 2
        forged.identify(target)


def copied_scores(forged: Forged) -> None:
    good = forged.run("entropy", 0)
    better(good, 1)
    for seed in (1, 2):
        run = forged.run("entropy", seed)
        run.rounds[1]["volumes"] = copy.deepcopy(good.rounds[1]["volumes"])
        run.average()


def picks_of_another_seed(forged: Forged) -> None:
    run, other = forged.run("random", 0), forged.run("random", 1)
    for record, taken in zip(run.rounds, other.rounds, strict=True):
        record["selected"] = copy.deepcopy(taken["selected"])


def swapped_recipes(forged: Forged) -> None:
    for seed in range(3):
        one, other = forged.run("random", seed), forged.run("entropy", seed)
        one.rounds, other.rounds = other.rounds, one.rounds
        forged.identify(one)
        forged.identify(other)


def chosen_random_picks(forged: Forged) -> None:
    record = forged.run("random", 1).rounds[1]
    record["selected"] = record["selected"][::-1]


def slice_of_the_test_part_picked(forged: Forged) -> None:
    run = forged.run("entropy", 0)
    run.rounds[1]["selected"][0]["case"] = run.cases["test"][0]


def slice_picked_twice(forged: Forged) -> None:
    picks = forged.run("entropy", 0).rounds[1]["selected"]
    picks[0] = dict(picks[1])


def slice_labelled_before(forged: Forged) -> None:
    rounds = forged.run("entropy", 0).rounds
    rounds[1]["selected"][0] = dict(rounds[0]["selected"][0])


def more_labels_than_told(forged: Forged) -> None:
    run = forged.run("entropy", 0)
    picks = run.rounds[1]["selected"]
    case = run.cases["train"][0]
    used = {(pick["case"], pick["z"]) for record in run.rounds for pick in record["selected"]}
    free = next(z for z in range(99) if (case, z) not in used)
    picks.append({"case": case, "z": free, "score": None})


def slices_that_do_not_exist(forged: Forged) -> None:
    forged.run("entropy", 0).rounds[1]["selected"][0]["z"] = 10_000


def other_budgets(forged: Forged) -> None:
    run = forged.run("entropy", 0)
    run.config["budgets"] = [3, 7]
    forged.identify(run)


def larger_budget(forged: Forged) -> None:
    record = forged.run("entropy", 0).rounds[1]
    record["labelled"] += 1


def other_split(forged: Forged) -> None:
    run = forged.run("entropy", 0)
    run.cases["train"].append(run.cases["test"].pop())


def easier_split_for_all(forged: Forged) -> None:
    """Test on a validation patient, with everything else made to fit."""
    reader = Phantom(**{k: v for k, v in forged.runs[0].config["dataset"]["reader"].items() if k != "name"})
    depth = {pseudonym(ref.case, CASE): len(reader.load(ref).image) for ref in reader.scan()}
    for run in forged.runs:
        data = run.environment["data"]
        pairs = list(zip(run.cases["test"], run.cases["val"], strict=False))
        other = {**dict(pairs), **{ours: theirs for theirs, ours in pairs}}
        for part in ("val", "test"):
            run.cases[part] = [other.get(case, case) for case in run.cases[part]]
            data["slices"][part] = sum(depth[case] for case in run.cases[part])
        for record in run.rounds:
            for row in record["volumes"]:
                row["case"] = other[row["case"]]
                row["patient"] = data["patient_of"][row["case"]]
            for entry in record["ledger"]:
                part = {"evaluation": "test", "validation": "val"}.get(entry["who"])
                if part is not None:
                    entry["cost"] = data["slices"][part] * min(entry["cost"], 1)
                    entry["slices"] = data["slices"][part]
        run.average()


def easier_split_of_scans_in_a_folder(forged: Forged) -> None:
    easier_split_for_all(forged)
    for run in forged.runs:
        run.config["dataset"]["root"] = "PATH/phantom"


def every_volume_a_patient(forged: Forged) -> None:
    for run in forged.runs:
        data = run.environment["data"]
        data["patient_of"] = {case: f"p-{case[2:]}" for case in data["patient_of"]}
        data["patients"] = dict(data["volumes"])
        for row in (row for record in run.rounds for row in record["volumes"]):
            row["patient"] = data["patient_of"][row["case"]]


def fewer_patients_told(forged: Forged) -> None:
    for run in forged.runs:
        run.environment["data"]["patients"]["test"] += 10


def hard_structure_declared_empty_by_all(forged: Forged) -> None:
    place = next((row["case"], row["class"]) for row in forged.runs[0].rounds[0]["volumes"])
    for run in forged.runs:
        for row in (row for record in run.rounds for row in record["volumes"]):
            if (row["case"], row["class"]) == place:
                row |= {"dice": None, "hd95_mm": None, "assd_mm": None, "nsd": None, "empty": "both"}
        run.average()


def fewer_slices_of_the_test(forged: Forged) -> None:
    for run in forged.runs:
        run.environment["data"]["slices"]["test"] -= 1
        for entry in (entry for record in run.rounds for entry in record["ledger"]):
            if entry["who"] == "evaluation":
                entry["slices"] -= 1
                entry["cost"] -= 1


def other_data_under_the_same_key(forged: Forged) -> None:
    for run in forged.runs[1:]:
        run.config["dataset"]["reader"]["seed"] = 7
        forged.identify(run)


def patient_in_two_parts(forged: Forged) -> None:
    for run in forged.runs:
        owner = run.environment["data"]["patient_of"]
        owner[run.cases["test"][0]] = owner[run.cases["train"][0]]


def other_data(forged: Forged) -> None:
    run = forged.run("entropy", 0)
    run.identity["data_key"] = "0" * 16
    forged.identify(run)


def hard_patient_left_out(forged: Forged) -> None:
    for run in forged.of("entropy"):
        for record in run.rounds:
            record["volumes"] = [row for row in record["volumes"] if row["case"] != run.cases["test"][0]]
        run.average()


def bad_structures_declared_empty(forged: Forged) -> None:
    for run in forged.of("entropy"):
        row = next(row for row in run.rounds[1]["volumes"] if row["empty"] in ("", "prediction"))
        row |= {"dice": None, "hd95_mm": None, "assd_mm": None, "nsd": None, "empty": "both"}
        run.average()


def changed_rows(forged: Forged, empty: str, scores: dict[str, float | None]) -> None:
    """Give all rows of entropy in which this side lacks the structure other scores, and make the means again."""
    rows = [row for run in forged.of("entropy") for record in run.rounds for row in record["volumes"]]
    chosen = [row for row in rows if row["empty"] == empty]
    assert chosen
    for row in chosen:
        row |= scores
    for run in forged.of("entropy"):
        run.average()


def bad_distances_left_out(forged: Forged) -> None:
    changed_rows(forged, "", {"hd95_mm": None, "assd_mm": None})


def bad_surfaces_left_out(forged: Forged) -> None:
    changed_rows(forged, "", {"hd95_mm": None, "assd_mm": None, "nsd": None})


def surfaces_of_missing_structures(forged: Forged) -> None:
    changed_rows(forged, "prediction", {"nsd": 1.0})


def missing_structures_left_out(forged: Forged) -> None:
    changed_rows(forged, "prediction", {"nsd": None})


def distances_of_missing_structures(forged: Forged) -> None:
    changed_rows(forged, "prediction", {"hd95_mm": 999.0, "assd_mm": 500.0})


def smaller_volumes(forged: Forged) -> None:
    changed_rows(forged, "prediction", {"hd95_mm": 9.0, "assd_mm": 9.0})


def distances_made_smaller(forged: Forged) -> None:
    changed_rows(forged, "", {"hd95_mm": 0.2, "assd_mm": 0.1, "nsd": 0.3})


def surfaces_within_the_tolerance(forged: Forged) -> None:
    changed_rows(forged, "", {"hd95_mm": 9.0, "nsd": 1.0})


def scores_of_the_first_round(forged: Forged) -> None:
    better(forged.run("entropy", 0), 0)


def trained_longer(forged: Forged) -> None:
    forged.run("entropy", 0).rounds[1]["members"][0]["iterations"] = 100_000


def random_trained_shorter(forged: Forged) -> None:
    for run in forged.of("random"):
        run.rounds[1]["members"][0]["iterations"] -= 1


def random_planned_shorter(forged: Forged) -> None:
    for run in forged.of("random"):
        run.environment["data"]["iterations"] = [1] * len(run.rounds)
        for record in run.rounds:
            record["members"][0]["iterations"] = 1


def random_without_a_plan(forged: Forged) -> None:
    random_planned_shorter(forged)
    for run in forged.of("random"):
        del run.environment["data"]["iterations"]


def random_planned_shorter_beside_outside_code(forged: Forged) -> None:
    outside_metric(forged)
    random_planned_shorter(forged)


def random_planned_shorter_with_a_loss_of_its_own(forged: Forged) -> None:
    trainer_of_its_own(forged)
    random_planned_shorter(forged)


def no_plan_with_a_loss_of_its_own(forged: Forged) -> None:
    random_planned_shorter_with_a_loss_of_its_own(forged)
    for run in forged.runs:
        del run.environment["data"]["iterations"]


def labels_of_the_test_read_by_the_strategy(forged: Forged) -> None:
    entry = {"who": "entropy", "what": "test masks", "slices": 4, "cost": 4.0}
    forged.run("entropy", 0).rounds[1]["ledger"].insert(0, entry)


def labels_of_the_test_read_early(forged: Forged) -> None:
    ledger = forged.run("entropy", 0).rounds[1]["ledger"]
    ledger.insert(0, ledger.pop(next(i for i, entry in enumerate(ledger) if entry["who"] == "evaluation")))


def pool_read_as_reference(forged: Forged) -> None:
    entry = {"who": "entropy", "what": "ground truth for reference", "slices": 4, "cost": 4.0}
    forged.run("entropy", 0).rounds[1]["ledger"].insert(0, entry)


def more_labels_trained_on(forged: Forged) -> None:
    next(e for e in forged.run("entropy", 0).rounds[1]["ledger"] if e["who"] == "oracle")["slices"] += 5


def cheaper_labels(forged: Forged) -> None:
    forged.run("entropy", 0).rounds[1]["cost"] /= 2


def cheaper_labels_in_the_ledger_too(forged: Forged) -> None:
    record = forged.run("entropy", 0).rounds[0]
    record["cost"] /= 2
    for entry in (entry for entry in record["ledger"] if entry["who"] == "oracle"):
        entry["cost"] /= 2


def cheaper_labels_later(forged: Forged) -> None:
    for run in forged.of("entropy"):
        spent = 0.0
        for record in run.rounds:
            for entry in (entry for entry in record["ledger"] if entry["who"] == "oracle"):
                entry["cost"] *= 0.1 if record["round"] else 1
                spent += entry["cost"]
            record["cost"] = spent


def free_validation(forged: Forged) -> None:
    for run in forged.of("entropy"):
        for entry in (entry for record in run.rounds for entry in record["ledger"]):
            entry["cost"] *= entry["who"] != "validation"


def quicker_validation(forged: Forged) -> None:
    for record in (record for run in forged.of("entropy") for record in run.rounds):
        record["validation_minutes"] -= 0.01


def validation_in_no_time(forged: Forged) -> None:
    for record in (record for run in forged.runs for record in run.rounds):
        record["validation_minutes"] = 0.1


def fewer_pixels(forged: Forged) -> None:
    for run in forged.of("entropy"):
        run.rounds[1]["marked"] = run.rounds[0]["marked"] - 1


def more_foreground(forged: Forged) -> None:
    for run in forged.of("entropy"):
        run.rounds[1]["foreground"] = run.rounds[1]["marked"]


def minutes_that_shrink(forged: Forged) -> None:
    rounds = forged.run("entropy", 0).rounds
    rounds[1]["minutes"] = rounds[0]["minutes"] / 2


def labels_in_no_time(forged: Forged) -> None:
    forged.run("entropy", 0).rounds[1]["minutes"] = forged.run("entropy", 0).rounds[0]["minutes"]


def quicker_second_round(forged: Forged) -> None:
    """Take the time for drawing from one of two recipes with the same picks."""
    run, other = forged.run("entropy", 0), forged.run("random", 0)
    run.rounds[1] |= {name: other.rounds[1][name] for name in ("selected", "cost", "minutes", "ledger", "cover_radius")}
    run.rounds[1]["minutes"] -= 0.005


def better_cover(forged: Forged) -> None:
    forged.run("entropy", 0).rounds[0]["cover_radius"] = 0.0


def missing_random(forged: Forged) -> None:
    for run in forged.of("random"):
        forged.drop(run)


def names_exchanged(forged: Forged) -> None:
    pairs = [(forged.run("random", seed), forged.run("entropy", seed)) for seed in range(3)]
    for run, name in ((run, name) for pair in pairs for run, name in zip(pair, ("entropy", "random"), strict=True)):
        run.config["recipe"]["name"] = forged.entry(run)["recipe"] = name
        run.key = run.key.replace("-random-", "-*-").replace("-entropy-", "-random-").replace("-*-", "-entropy-")
        entry = next(e for e in forged.study["runs"] if (e["recipe"], e["seed"]) == (name, run.config["seed"]))
        entry["key"] = run.key
        forged.identify(run)


def random_trained_less(forged: Forged) -> None:
    for run in forged.of("random"):
        run.config["train"]["iterations_full"] = 10
        forged.identify(run)


def random_at_other_seeds(forged: Forged) -> None:
    for run in forged.of("random")[:1]:
        forged.drop(run)


def settings_without_fingerprint(forged: Forged) -> None:
    for run in forged.runs:
        run.config["train"]["iterations_full"] = 10


def starting_from(forged: Forged, weights: dict[str, str]) -> None:
    """Give networks weights from files of one name: recipe -> content."""
    for run in forged.runs:
        run.config["dataset"]["prepare"]["size"] = 64
        run.config["train"]["network"] = {"name": "unet_resnet50", "weights": "PATH/w.pth"}
        training = copy.deepcopy(run.config["train"])
        training["network"]["weights"] = f"sha256 {weights[forged.entry(run)['recipe']]}"
        forged.identify(run, training)
        for record in run.rounds:
            record["signals"]["network"] = f"file (w.pth, {training['network']['weights']})"


def random_with_other_weights(forged: Forged) -> None:
    starting_from(forged, {"random": "0" * 16, "entropy": "1" * 16})


def random_with_other_weights_in_its_rounds_alone(forged: Forged) -> None:
    starting_from(forged, {"random": "1" * 16, "entropy": "1" * 16})
    for record in (record for run in forged.of("random") for record in run.rounds):
        record["signals"]["network"] = f"file (w.pth, sha256 {'0' * 16})"


def rounds_of_another_run(forged: Forged) -> None:
    forged.run("entropy", 0).rounds = copy.deepcopy(forged.run("entropy", 1).rounds)


def slow_random(forged: Forged) -> None:
    for run in forged.of("random"):
        run.rounds[1]["seconds"]["select"] = 1000.0


def more_cpu_than_there_was(forged: Forged) -> None:
    for run in forged.of("random"):
        run.rounds[1]["cpu_seconds"]["select"] = 1000.0


def rounds_in_no_time(forged: Forged) -> None:
    record = forged.run("entropy", 0).rounds[1]
    record["ended"] = (datetime.strptime(record["ended"], MOMENT) - timedelta(hours=1)).strftime(MOMENT)


def tuned_on_test_volumes(forged: Forged) -> None:
    forged.manifest["tunings"] = [tuning(scored=forged.run("entropy", 0).cases["test"])]


def tuned_with_test_labels(forged: Forged) -> None:
    forged.manifest["tunings"] = [tuning(read=[{"who": "evaluation", "what": "test masks", "slices": 9}])]


def tuned_unsealed(forged: Forged) -> None:
    forged.manifest["tunings"] = [tuning(sealed=3)]


def tuning(**changes: Any) -> dict[str, Any]:
    """A tuning that is declared."""
    names = ("recipes", "seeds", "data_keys", "read", "scored", "annotated")
    return {"name": "tune-a-tiny", "trials": 2, "runs": 4, "sealed": 4, **{name: [] for name in names}, **changes}


FORGERIES: list[tuple[Callable[[Forged], None], str, str]] = [
    (unknown_setting, SETTINGS, "does not write: run: unknown field 'notes'"),
    (unknown_setting_of_an_older_version, DRAWS, "random seed 0, round 1: its picks are not those that seed 0 draws"),
    (chosen_random_picks_beside_outside_code, DRAWS, "random seed 1, round 2: its picks are not those"),
    (easier_split_beside_outside_code, SPLIT, "its split is not the one that its settings give (val, test differ)"),
    (edited_mean, SCORES, "dice is 0.9, and its rows give"),
    (edited_class_mean, SCORES, "dice_wall is 0.95, and its rows give"),
    (dropped_bad_seed, COMPLETE, "entropy lacks seed 1, which others have"),
    (hidden_failure, COMPLETE, "entropy seed 2 has 1 of 2 rounds and is not declared failed"),
    (repeated_seed, DRAWS, "random seed 2, round 1: its picks are not those that seed 2 draws"),
    (repeated_seed, DRAWS, "entropy seed 2, round 1: its picks are not those that seed 2 draws"),
    (copied_scores, COPIES, "entropy seed 1, round 2 has the scores of tiny/scribble/low entropy seed 0, round 2"),
    (picks_of_another_seed, DRAWS, "random seed 0, round 1: its picks are not those that seed 0 draws"),
    (swapped_recipes, DRAWS, "round 2: its picks are not those"),
    (chosen_random_picks, DRAWS, "random seed 1, round 2: its picks are not those"),
    (slice_of_the_test_part_picked, PICKS, "was picked, which is of the test part"),
    (slice_picked_twice, PICKS, "was picked twice in it"),
    (slice_labelled_before, PICKS, "was picked in round 1 already"),
    (more_labels_than_told, PICKS, "7 slices were picked so far, the record says 6"),
    (slices_that_do_not_exist, PICKS, "its picks need more slices than the"),
    (other_budgets, COMPLETE, "runs have different budgets"),
    (larger_budget, PICKS, "7 slices are labelled, and the budget 6 is 6"),
    (other_split, SPLIT, "has another split than"),
    (patient_in_two_parts, SPLIT, "1 patients are in train and in test"),
    (other_data_under_the_same_key, SPLIT, "reads or prepares the same data otherwise than"),
    (other_data, SPLIT, "was made with other data, 0000000000000000, than"),
    (hard_patient_left_out, SCORES, "no score of"),
    (bad_structures_declared_empty, SCORES, "unlike in another round or run"),
    (scores_of_the_first_round, SHARED, "its first round has other scores than"),
    (trained_longer, STEPS, "a network was trained for 100000 steps"),
    (random_trained_shorter, STEPS, "random seed 0, round 2: a network was trained for"),
    (
        labels_of_the_test_read_by_the_strategy,
        LABELS,
        "entropy read test masks, which is for evaluation or pictures alone",
    ),
    (labels_of_the_test_read_early, LABELS, "test masks were read before everything was chosen and trained"),
    (pool_read_as_reference, LABELS, "entropy read the ground truth of the pool"),
    (more_labels_trained_on, LABELS, "labels of 8 slices were read for training, and 3 were picked"),
    (cheaper_labels, LABELS, "and the ledger adds up to"),
    (cheaper_labels_in_the_ledger_too, SHARED, "for the same slices in"),
    (minutes_that_shrink, SHARED, "entropy seed 0, round 2: annotation took -"),
    (labels_in_no_time, SHARED, "entropy seed 0, round 2: annotation took 0 minutes, and opening"),
    (quicker_second_round, SHARED, "for the same picks in tiny/scribble/low"),
    (better_cover, SHARED, "the cover radius grows from 0"),
    (missing_random, BASELINE, "no recipe picks at random"),
    (
        random_trained_less,
        BASELINE,
        "entropy has no random baseline at the same settings for seed 0, 1, 2: train.iterations",
    ),
    (names_exchanged, BASELINE, "random seed 0 has the strategy entropy; what is called random"),
    (random_at_other_seeds, BASELINE, "for seed 0; random was not run with it"),
    (random_with_other_weights, BASELINE, "for seed 0, 1, 2: train.network.weights is sha256 1111111111111111, and"),
    (random_with_other_weights_in_its_rounds_alone, BASELINE, ": start of the networks is sha256 1111111111111111, "),
    (random_with_other_weights_in_its_rounds_alone, IDENTITY, "random seed 2, round 1: its networks started from file"),
    (settings_without_fingerprint, IDENTITY, "its configuration has the fingerprint"),
    (rounds_of_another_run, FORM, "are of different runs"),
    (slow_random, TIMES, "its parts took 1"),
    (more_cpu_than_there_was, TIMES, "select took 1000 s of CPU"),
    (rounds_in_no_time, TIMES, "passed since the round before"),
    (tuned_on_test_volumes, TUNING, "of the volumes that the bundle is tested on"),
    (tuned_with_test_labels, TUNING, "read the test masks of 9 slices"),
    (tuned_unsealed, TUNING, "1 of 4 runs could read test labels"),
]


@pytest.mark.parametrize(("change", "name", "reason"), FORGERIES, ids=lambda value: getattr(value, "__name__", ""))
def test_forgery_is_found(
    honest: Path, tmp_path: Path, change: Callable[[Forged], None], name: str, reason: str
) -> None:
    found = problems(check(forge(honest, tmp_path / "forged.alseg.zip", change)))
    assert reason in found.get(name, ""), found


ALONE: list[tuple[Callable[[Forged], None], str, str]] = [
    (cheaper_labels_later, LABELS, "training labels of 3 slices cost 0.02, and 0.2 is their price"),
    (free_validation, LABELS, "round 1: validation masks of "),
    (quicker_validation, SHARED, "for the same labels in tiny/scribble/low random seed 0, round 1"),
    (validation_in_no_time, SHARED, "entropy seed 0, round 1: validation labels took 0.1 minutes, and opening"),
    (fewer_pixels, PIXELS, "entropy seed 1, round 2: -1 pixels were labelled"),
    (more_foreground, PIXELS, "of them foreground, and its slices have 768"),
    (bad_distances_left_out, SURFACES, "hd95_mm is missing"),
    (bad_surfaces_left_out, SURFACES, "hd95_mm is missing"),
    (surfaces_of_missing_structures, SURFACES, "nsd is 1, and 0 where one side lacks the structure"),
    (missing_structures_left_out, SURFACES, "nsd is missing"),
    (distances_of_missing_structures, SURFACES, "its distances are not one diagonal of the volume"),
    (smaller_volumes, SURFACES, "the diagonal of the volume is 9 mm, and"),
    (distances_made_smaller, SURFACES, "NSD is 0.3, which is too low for an ASSD of 0.1 mm"),
    (surfaces_within_the_tolerance, SURFACES, "NSD is 1, and HD95 9 mm is beyond the tolerance of 2 mm"),
    (easier_split_for_all, SPLIT, "its split is not the one that its settings give (val, test differ)"),
    (easier_split_of_scans_in_a_folder, SPLIT, "its split is not the one that its settings give (val, test differ)"),
    (easier_split_of_scans_in_a_folder, SPLIT, "its scans are from PATH/phantom, and its reader generates them"),
    (every_volume_a_patient, SPLIT, "12 cases are of other patients in the data"),
    (fewer_patients_told, SPLIT, "patients of test are recorded, and 1 are listed"),
    (hard_structure_declared_empty_by_all, MADE, "unlike the data"),
    (fewer_slices_of_the_test, MADE, "slices of test volumes are recorded, and the data have"),
    (random_planned_shorter, STEPS, "random seed 0: trainings of 1, 1 steps are recorded, its settings give 1, 2"),
    (random_without_a_plan, STEPS, "random seed 0, round 2: a network was trained for 1 steps, and 2 are planned"),
    (random_planned_shorter_beside_outside_code, STEPS, "random seed 1: trainings of 1, 1 steps are recorded"),
    (random_planned_shorter_with_a_loss_of_its_own, STEPS, "entropy seed 0: trainings of 1, 2 steps are planned"),
    (no_plan_with_a_loss_of_its_own, STEPS, "random seed 0: the steps of its training are not recorded"),
]
"""Forgeries that one check finds, and no other does."""


@pytest.mark.parametrize(("change", "name", "reason"), ALONE, ids=lambda value: getattr(value, "__name__", ""))
def test_forgery_is_found_by_one_check(
    honest: Path, tmp_path: Path, change: Callable[[Forged], None], name: str, reason: str
) -> None:
    found = problems(check(forge(honest, tmp_path / "forged.alseg.zip", change)))
    assert list(found) == [name] and reason in found[name], found


def without_classes(forged: Forged) -> None:
    for run in forged.runs:
        del run.config["dataset"]["classes"]
        forged.identify(run)


def test_files_that_lack_what_a_check_needs_are_a_problem(honest: Path, tmp_path: Path) -> None:
    found = problems(check(forge(honest, tmp_path / "forged.alseg.zip", without_classes)))
    assert "cannot be checked, as no run leaves such files (KeyError: 'classes')" in found[SCORES]


def edited_table(forged: Forged) -> None:
    row = next(
        row for row in forged.manifest["facts"]["table"] if (row["recipe"], row["metric"]) == ("entropy", "dice")
    )
    row["mean"] += 0.1


def clean_code(forged: Forged) -> None:
    forged.manifest["facts"]["uncommitted"] = not forged.manifest["facts"]["uncommitted"]


def no_test_labels(forged: Forged) -> None:
    forged.manifest["facts"]["labels"] = []


@pytest.mark.parametrize(
    ("change", "reason"),
    [(edited_table, "table."), (clean_code, "uncommitted is"), (no_test_labels, "labels has 0 entries")],
)
def test_facts_that_do_not_follow_from_the_runs_are_found(
    honest: Path, tmp_path: Path, change: Callable[[Forged], None], reason: str
) -> None:
    found = problems(check(forge(honest, tmp_path / "forged.alseg.zip", change, made_again=False)))
    assert list(found) == [FACTS] and reason in found[FACTS]


def first_seed_left_out(forged: Forged) -> None:
    for recipe in ("random", "entropy"):
        forged.drop(forged.run(recipe, 0))


def settings_of_another_version(forged: Forged) -> None:
    for run in forged.runs:
        run.config["notes"] = "x"
        forged.identify(run)
        for record in run.rounds:
            record["made_by"]["alseg"] = "0.0.9"


def random_with_outside_code(forged: Forged) -> None:
    for run in forged.of("random"):
        run.config["recipe"]["strategy"]["like"] = "no_such_module:Mine"
        forged.identify(run)


def reader_of_its_own(forged: Forged) -> None:
    for run in forged.runs:
        run.config["dataset"]["reader"] = {"name": "no_such_module:Reader"}
        forged.identify(run)


def compared_with_entropy(forged: Forged) -> None:
    forged.study["primary"] = {"against": "entropy", "metric": "last_dice"}


def without_random(forged: Forged) -> None:
    for run in forged.of("random"):
        run.config["recipe"]["name"] = forged.entry(run)["recipe"] = "chance"
        forged.identify(run)


def invented_commit(forged: Forged) -> None:
    for record in (record for run in forged.runs for record in run.rounds):
        record["made_by"]["commit"] = "cafe-latte"


def settings_without_anything_to_check_them(forged: Forged) -> None:
    for run in forged.runs:
        run.config["train"]["lr"] = 0.5
        run.note |= {"formats": None, "training": None}


def uncommitted(forged: Forged) -> None:
    for run in forged.runs:
        for record in run.rounds:
            record["made_by"]["commit"] = "0123456789ab-dirty"


def failed(forged: Forged) -> None:
    run = forged.run("entropy", 0)
    run.failure = "its loss is NaN"
    del run.rounds[1]


def undeclared(forged: Forged) -> None:
    forged.manifest["tunings"] = None


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        (first_seed_left_out, "strict: seeds", "has seeds 1, 2; 0 to 1 are asked for"),
        (first_seed_left_out, "strict: seeds", "has 2 seeds, and at least 3"),
        (settings_of_another_version, KNOWN, "random seed 0: alseg"),
        (random_with_outside_code, KNOWN, "random seed 2 picks at random with code of its own, no_such_module:Mine"),
        (reader_of_its_own, KNOWN, "its data are generated by code of its own, no_such_module:Reader"),
        (compared_with_entropy, AGAINST, "planned tests are against entropy, which has the strategy entropy"),
        (without_random, AGAINST, "no test is planned, as no recipe is named random"),
        (settings_without_anything_to_check_them, FINGERPRINTS, "entropy seed 0: its fingerprint cannot be made again"),
        (invented_commit, "strict: committed code", "the commit of its code is 'cafe-latte', and 7 to 40 hex digits"),
        (uncommitted, "strict: committed code", "uncommitted changes of 0123456789ab"),
        (failed, "strict: no failed runs", "entropy seed 0 failed: its loss is NaN"),
        (undeclared, "strict: tuning declared", "nothing is said about tuning"),
    ],
)
def test_what_only_a_leaderboard_asks_for_is_asked_by_strict_alone(
    honest: Path, tmp_path: Path, change: Callable[[Forged], None], name: str, reason: str
) -> None:
    forged = forge(honest, tmp_path / "forged.alseg.zip", change)
    assert reason in problems(check(forged, strict=True)).get(name, "")
    assert problems(check(forged)) == {}


def strategy_of_its_own(forged: Forged) -> None:
    for run in forged.of("entropy"):
        run.config["recipe"]["strategy"] = {"name": "no_such_module:Mine"}
        forged.identify(run)


def test_strategy_of_its_own_is_told_and_passes(honest: Path, tmp_path: Path) -> None:
    verdict = check(forge(honest, tmp_path / "own.alseg.zip", strategy_of_its_own), strict=True)
    assert set(problems(verdict)) <= {"strict: committed code"}  # the tests may run on uncommitted changes
    (told,) = verdict.found[SETTINGS]
    assert told.text.startswith("entropy names code of its own, no_such_module:Mine in recipe")


def trainer_of_its_own(forged: Forged) -> None:
    for run in forged.runs:
        run.config["train"]["loss"] = {"name": "no_such_module:Loss"}
        forged.identify(run)


def test_replay_that_can_make_no_round_again_fails(honest: Path, tmp_path: Path) -> None:
    forged = forge(honest, tmp_path / "forged.alseg.zip", trainer_of_its_own)
    assert problems(check(forged, replay=2)) == {
        REPLAY: "0 of 2 rounds were made again: of 6 of 6 runs, data or code are not here (--data)"
    }


def smaller_family(forged: Forged) -> None:
    compared_with_entropy(forged)
    forged.study["controls"] = {"below": ["entropy"]}


def test_controls_and_another_primary_comparison_are_told(honest: Path, tmp_path: Path) -> None:
    assert not check(honest).found[TESTED]
    verdict = check(forge(honest, tmp_path / "plan.alseg.zip", smaller_family))
    controls, primary = (finding.text for finding in verdict.found[TESTED])
    assert controls.startswith("controls, which do not count in the correction of tests, are entropy (below random)")
    assert primary.startswith("the planned tests are of last_dice against entropy")
    assert verdict.passed


def invented_pick(forged: Forged) -> None:
    """Put a legal slice in the place of one that entropy picked, in all seeds."""
    for run in forged.of("entropy"):
        used = {(pick["case"], pick["z"]) for record in run.rounds for pick in record["selected"]}
        case = run.rounds[1]["selected"][0]["case"]  # as many volumes as before, so that the recorded minutes still fit
        free = next(z for z in range(99) if (case, z) not in used)
        run.rounds[1]["selected"][0] |= {"case": case, "z": free}


@pytest.mark.slow
def test_pick_that_is_legal_is_found_by_making_it_again(honest: Path, tmp_path: Path) -> None:
    forged = forge(honest, tmp_path / "forged.alseg.zip", invented_pick)
    assert problems(check(forged)) == {}  # nothing in the file contradicts it
    found = problems(check(forged, replay=12))
    assert (
        list(found) == [REPLAY]
        and "entropy seed 0, round 2: its picks are not those that are made again" in found[REPLAY]
    )
