"""Minutes of annotation, and annotators who err, from the records of runs to tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from alseg_core.metrics.curve import aubc
from bench.report.analysis import analyse
from bench.report.figures import FIGURES
from bench.report.figures.style import styled
from bench.report.runs.results import Results, collect
from bench.report.tables import comparison
from tests.bench.report.study_files import LABELLED, study

DICE = {"random": [0.4, 0.5, 0.6], "coreset": [0.5, 0.6, 0.7]}
MINUTES = {"random": [10.0, 20.0, 40.0], "coreset": [5.0, 15.0, 25.0]}
HERE = ("d", "mask", "default")


def made(place: Path, config: Mapping[str, Any] | None = None, known: bool = True) -> Path:
    """A study of two recipes and three seeds whose rounds record minutes, unless they are old."""
    runs = [
        {"recipe": recipe, "seed": seed, "dice": dice, **({"config": dict(config)} if config else {})}
        for recipe, dice in DICE.items()
        for seed in range(3)
    ]
    folder = study(place, runs)
    for path in folder.glob("runs/*/rounds.jsonl") if known else ():
        recipe = next(name for name in MINUTES if name in path.parent.name)
        rounds = [json.loads(line) for line in path.read_text().splitlines()]
        for round_, minutes in zip(rounds, MINUTES[recipe], strict=True):
            round_ |= {"minutes": minutes + round_["round"] / 8, "validation_minutes": 7.0}
        path.write_text("".join(json.dumps(round_) + "\n" for round_ in rounds))
    return folder


def drawn(name: str, results: Results, setting: Any = HERE) -> Figure | str:
    with styled():
        return FIGURES[name].draw(results, analyse(results), setting)


def test_the_table_for_files_has_minutes(tmp_path):
    table = comparison(collect(made(tmp_path / "s")))
    dice = table[(table["metric"] == "dice") & (table["recipe"] == "coreset")]
    assert dice["minutes"].tolist() == [5.0, 15.125, 25.25]
    assert comparison(collect(made(tmp_path / "old", known=False)))["minutes"].isna().all()


def test_the_area_over_minutes_is_that_of_what_all_recipes_cover(tmp_path):
    areas = analyse(collect(made(tmp_path / "s"))).areas
    found = areas[areas["axis"] == "minutes"].set_index("recipe")["mean"]
    for recipe in DICE:
        minutes = np.array(MINUTES[recipe]) + np.arange(3) / 8
        grid = np.linspace(10, 25.25, 2000)  # from the later start to the earlier end
        assert found[recipe] == pytest.approx(aubc(grid, np.interp(grid, minutes, DICE[recipe])), abs=1e-3)
    old = analyse(collect(made(tmp_path / "old", known=False))).areas
    assert old[old["axis"] == "minutes"]["mean"].isna().all()
    np.testing.assert_allclose(old[old["axis"] == "slices"]["mean"], [aubc(LABELLED, DICE[r]) for r in DICE], atol=1e-9)


def test_dice_is_drawn_over_minutes(tmp_path):
    figure = drawn("minutes", collect(made(tmp_path / "s")))
    assert isinstance(figure, Figure)
    (axis,) = figure.axes
    assert axis.get_xlabel() == "minutes of annotation (validation labels: 7 more)"
    lines = {c.get_label(): c[0].get_xdata() for c in axis.containers}
    np.testing.assert_allclose(lines["coreset"], [5, 15.125, 25.25], atol=0.5)
    np.testing.assert_allclose(lines["random"], [10, 20.125, 40.25], atol=0.5)
    assert "no round records" in str(drawn("minutes", collect(made(tmp_path / "old", known=False))))


def test_kinds_of_annotation_share_the_axis_of_minutes_unless_some_runs_have_none(tmp_path):
    mask, errs = made(tmp_path / "a"), {"annotation": {"name": "mask", "annotator": {"boundary_mm": 2.0}}}
    for known, label in ((True, "minutes of annotation"), (False, "annotation time (% of annotating everything")):
        results = collect([mask, made(tmp_path / f"b{known}", errs, known)])
        figure = drawn("annotation_time", results, ("d", None, None))
        assert isinstance(figure, Figure)
        assert figure.axes[0].get_xlabel().startswith(label)


def test_annotators_who_differ_are_settings_of_their_own_and_models_of_time_are_kept_apart(tmp_path):
    errs = {"annotation": {"name": "mask", "annotator": {"boundary_mm": 2.0}}}
    results = collect([made(tmp_path / "a"), made(tmp_path / "b", errs)])
    assert set(results.runs["annotation"]) == {"mask", "mask (noise 2 mm)"}
    assert set(results.runs["dataset"]) == {"d"}
    assert not results.notes
    slower = {"minutes": {"slice": 1.0}}
    apart = collect([made(tmp_path / "c"), made(tmp_path / "d", slower)])
    assert len(set(apart.runs["dataset"])) == 2
    assert "minutes" in apart.notes[0]


def test_minutes_that_are_no_time_are_a_fault_of_the_run(tmp_path):
    folder = made(tmp_path / "s")
    path = next(folder.glob("runs/*random*s0*/rounds.jsonl"))
    path.write_text(path.read_text().replace('"minutes": 10.0', '"minutes": -3'))
    assert any("minutes" in problem for problem in collect(folder).problems)
