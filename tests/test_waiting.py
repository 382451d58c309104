"""Runs whose labels come from people: they stop in a round until the labels are there, and go on from that point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core import loop
from alseg_core.config import RunConfig
from alseg_core.data.readers import READERS
from alseg_core.errors import ConfigError, LabelsAwaited, ResultsError
from alseg_core.material import open_material
from alseg_core.oracles.returned import Given, Returned
from alseg_core.pending import Pending
from alseg_core.store import Store
from alseg_core.vocabulary import RoundRecord, Volume
from tests.test_loop import RECIPES


def settings(tiny: dict[str, Any], folder: Path, recipe: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run of the benchmark, and the same run with people in the place of the oracle."""
    tiny["recipe"] = {"name": recipe, **RECIPES[recipe]}
    tiny["train"] |= {"network": {"name": "unet", "widths": [4, 8], "dropouts": [0.1, 0.2]}, "loss": "ce_dice"}
    benchmark = {**tiny, "annotation": "mask", "evaluate": {"part": "val"}}
    waiting = {**benchmark, "annotation": {"name": "mask", "source": "annotators"}}
    waiting["dataset"] = {**tiny["dataset"], "returned": str(folder / "labels")}
    return benchmark, waiting


def volumes(raw: dict[str, Any]) -> dict[str, Volume]:
    reader = READERS.build(raw["dataset"]["reader"])
    return {ref.case: reader.load(ref) for ref in reader.scan(None)}


def draw(pending: Pending, truth: dict[str, Volume]) -> list[Given]:
    """What a careful annotator gives."""
    asked = [(str(entry["case"]), int(entry["z"])) for entry in pending.selected]
    return [Given(case, z, truth[case].mask[z], pending.round) for case, z in asked]


def rounds(config: RunConfig, folder: Path, truth: dict[str, Volume]) -> list[RoundRecord]:
    """Run the loop as a person would: until it stops, draw what it asks for, start it again."""
    store = Store(folder / "store")
    for _ in range(len(config.budgets)):
        with pytest.raises(LabelsAwaited):
            loop.run(config, folder / "run", store)
        Returned(folder / "labels").add(draw(Pending.read(folder / "run"), truth))
    return loop.run(config, folder / "run", store)


@pytest.mark.parametrize("recipe", ["random", "entropy", pytest.param("gcl_coreset", marks=pytest.mark.slow)])
def test_the_same_picks_and_scores_as_the_benchmark(recipe: str, tiny: dict[str, Any], tmp_path: Path) -> None:
    benchmark, waiting = settings(tiny, tmp_path, recipe)
    expected = loop.run(RunConfig.load(benchmark), tmp_path / "benchmark", Store(tmp_path / "other"))
    got = rounds(RunConfig.load(waiting), tmp_path, volumes(tiny))
    for a, b in zip(expected, got, strict=True):
        for name in ("selected", "labelled", "cost", "cover_radius", "members", "best", "volumes", "summary"):
            assert getattr(a, name) == getattr(b, name), name
        assert [(e["who"], e["slices"]) for e in b.ledger if e["what"] == "training labels"] == [
            ("annotators", len(b.selected))
        ]
    assert Pending.read(tmp_path / "run") is None


def test_given_back_labels_on_a_cropped_grid_equal_prepared_masks(tiny: dict[str, Any], tmp_path: Path) -> None:
    _, waiting = settings(tiny, tmp_path, "random")
    waiting["dataset"]["prepare"] = {"size": 20, "spacing_mm": 1.5, "crop": 24, "antialias": True}
    config = RunConfig.load(waiting)
    material = open_material(config, Store(tmp_path / "store"))
    truth = volumes(tiny)
    table = material.slices.table
    everything = [table.locate(i) for i in range(len(table))]
    Returned(tmp_path / "labels").add([Given(case, z, truth[case].mask[z]) for case, z in everything])
    ours = config.annotation.annotate(material.vault("val"), material.slices, np.arange(len(table)), 0)
    stored = np.load(material.folder / "labels" / "masks.npy")[material.slices.rows]
    np.testing.assert_array_equal(ours.labels, stored)
    assert len(np.unique(stored)) > 2


def test_budgets_are_settled_round_by_round(tiny: dict[str, Any], tmp_path: Path) -> None:
    _, waiting = settings(tiny, tmp_path, "entropy")
    truth, folder, store = volumes(tiny), tmp_path / "run", Store(tmp_path / "store")
    for budgets in ([3], [3, 6], [3, 6, 8]):
        config = RunConfig.load({**waiting, "budgets": budgets})
        with pytest.raises(LabelsAwaited):
            loop.run(config, folder, store)
        Returned(tmp_path / "labels").add(draw(Pending.read(folder), truth))
        records = loop.run(config, folder, store)
        assert [record.labelled for record in records] == budgets
        assert (folder / f"state_{len(budgets) - 1}.pt").is_file()
    whole = loop.run(RunConfig.load(waiting), tmp_path / "whole", store)  # all labels are there
    assert [record.selected for record in records] == [record.selected for record in whole]


def test_the_labels_of_the_pool_are_sealed(tiny: dict[str, Any], tmp_path: Path) -> None:
    _, waiting = settings(tiny, tmp_path, "random")
    material = open_material(RunConfig.load(waiting), Store(tmp_path / "store"))
    with pytest.raises(Exception, match="sealed"):
        material.vault("val").masks(material.slices.rows[:1], "anyone", "training labels")


def test_a_corrected_slice_supersedes_and_the_old_one_is_kept(tmp_path: Path) -> None:
    returned = Returned(tmp_path)
    first, second = np.zeros((3, 4), np.uint8), np.ones((3, 4), np.uint8)
    assert len(returned.add([Given("a", 0, first, 0, "ann"), Given("a", 1, first, 0, "ann")])) == 2
    assert returned.add([Given("a", 0, first, 0, "ann")]) == []
    assert len(returned.add([Given("a", 0, second, 0, "bob")])) == 1
    np.testing.assert_array_equal(returned.labels([("a", 0)])[0], second)
    history = [entry for entry in returned.history() if entry.z == 0]
    np.testing.assert_array_equal(returned.read(history[0]), first)
    with pytest.raises(LabelsAwaited) as missing:
        returned.labels([("a", 0), ("b", 7)])
    assert missing.value.slices == (("b", 7),)
    (tmp_path / history[-1].array).write_bytes(b"else")
    with pytest.raises(ResultsError, match="is damaged; put back a copy"):
        returned.labels([("a", 0)])


def _list(folder: Path) -> Path:
    """The list of three slices that were given."""
    Returned(folder).add([Given("a", z, np.full((3, 4), z, np.uint8), 0, "ann") for z in range(3)])
    return folder / "labels.jsonl"


@pytest.mark.parametrize("lost", [1, 2, 40, 150])
def test_a_last_line_that_is_cut_off_is_left_out_with_a_note(lost: int, tmp_path: Path) -> None:
    path, returned = _list(tmp_path), Returned(tmp_path)
    path.write_bytes(path.read_bytes()[:-lost])
    kept = 3 if lost == 1 else 2  # the line end alone holds nothing
    assert [entry.z for entry in returned.history()] == list(range(kept))
    assert len(returned.notes()) == 3 - kept
    returned.add([Given("a", 2, np.full((3, 4), 2, np.uint8), 0, "ann")])
    assert [entry.z for entry in returned.history()] == [0, 1, 2] and returned.notes() == []


def test_zeros_at_the_end_are_a_line_that_is_cut_off(tmp_path: Path) -> None:
    path = _list(tmp_path)
    path.write_bytes(path.read_bytes()[:-300] + bytes(300))
    assert [entry.z for entry in Returned(tmp_path).history()] == [0] and len(Returned(tmp_path).notes()) == 1


def test_any_other_damage_of_the_list_is_one_error_with_its_line(tmp_path: Path) -> None:
    path = _list(tmp_path)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for number, lines in {
        1: [first.replace(b'"z":0', b'"z":9'), second, third],
        2: [first, b"#" + second[1:], third],
        3: [first, second, third.replace(b"ann", b"bob")],
    }.items():
        path.write_bytes(b"".join(lines))
        with pytest.raises(ResultsError, match=rf"labels.jsonl, line {number} is damaged"):
            Returned(tmp_path).latest()
    for lines in ([first, third], [first, first, second, third], [first, b"\n", second], [first, third, second]):
        path.write_bytes(b"".join(lines))
        with pytest.raises(ResultsError, match="line 2 is damaged"):
            Returned(tmp_path).latest()
    path.write_bytes(first)  # what the message says
    assert [entry.z for entry in Returned(tmp_path).history()] == [0]


def test_pending_slices_that_were_changed_are_refused(tiny: dict[str, Any], tmp_path: Path) -> None:
    _, waiting = settings(tiny, tmp_path, "random")
    config, folder = RunConfig.load(waiting), tmp_path / "run"
    with pytest.raises(LabelsAwaited):
        loop.run(config, folder, Store(tmp_path / "store"))
    content = json.loads((folder / "pending.json").read_text())
    content["selected"][0]["z"] += 1
    (folder / "pending.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"pending.json is damaged or was changed"):
        loop.run(config, folder, Store(tmp_path / "store"))


def test_an_oracle_that_waits_needs_a_folder(tiny: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="dataset.returned names no folder"):
        RunConfig.load({**tiny, "annotation": {"name": "scribble", "source": "annotators"}})


def test_no_recipe_that_reads_ground_truth(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["recipe"] = {"name": "oracle_greedy", "strategy": "oracle_greedy"}
    tiny["dataset"]["returned"] = str(tmp_path)
    with pytest.raises(ConfigError, match="there is none before annotators give it"):
        RunConfig.load({**tiny, "annotation": {"name": "mask", "source": "annotators"}})


def test_without_labelled_scans_nothing_is_scored(tiny: dict[str, Any], tmp_path: Path) -> None:
    _, waiting = settings(tiny, tmp_path, "entropy")
    waiting |= {"evaluate": {"part": "none"}, "validation": "none", "budgets": [3, 6]}
    waiting["dataset"]["split"] = "to_annotate"
    waiting["dataset"]["returned"] = str(tmp_path / "labels")
    records = rounds(RunConfig.load(waiting), tmp_path, volumes(tiny))
    assert [record.labelled for record in records] == [3, 6]
    assert all(record.volumes == [] and record.summary["dice"] is None for record in records)
