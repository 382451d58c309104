"""Pictures made from what run folders keep: examples, selected slices, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from alseg_core.errors import ResultsError
from bench.report.analysis import AREAS, CELLS, PENALTIES, POWERS, STANDING, TESTS, Analysis
from bench.report.figures import FIGURES, draw_all, embedding, overlays, selected
from bench.report.figures.mosaic import outlined, painted
from bench.report.figures.runfiles import arrays
from bench.report.figures.style import styled
from bench.report.runs.columns import SCORES, SECONDS, VOLUME_DICE
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Scope
from bench.study.palette import CLASS_COLOURS

HERE: Scope = ("d", "scribble", "default")
DICE = {"random": 0.4, "coreset": 0.6, "gcl_coreset": 0.7}
CASES = ["v0", "v1", "v2", "v3", "v4", "v5"]
HARDNESS = {"v0": 0.0, "v1": 0.3, "v2": 0.1, "v3": 0.2, "v4": 0.05, "v5": 0.35}


def study(folder: Path, recipes: dict[str, float] | None = None) -> tuple[Results, Analysis]:
    """Two seeds and two budgets of every recipe; the run folders are there and empty."""
    setting = dict(zip(SETTING, HERE, strict=True))
    rows: dict[str, list[dict[str, Any]]] = {"scores": [], "volumes": [], "cells": [], "areas": []}
    folders = {}
    for recipe, dice in (recipes or DICE).items():
        rows["areas"].append({**setting, "recipe": recipe, "axis": "slices", "mean": dice, "seeds": 2})
        for number in range(2):
            at = {"recipe": recipe, "round": number, "budget": str(number), "labelled": 10 * (number + 1)}
            rows["cells"].append({**setting, **at, "mean": dice, "cost": 1.0, "fraction": 0.1})
            for seed in (1, 0):
                who = {**setting, **at, "seed": seed, "key": f"{recipe}-s{seed}"}
                folders[f"{recipe}-s{seed}"] = folder / f"{recipe}-s{seed}"
                folders[f"{recipe}-s{seed}"].mkdir(exist_ok=True, parents=True)
                rows["scores"].append({**who, "metric": "dice", "value": dice})
                # the first round is hard elsewhere: only the last one counts
                hard = HARDNESS if number else {case: 0.35 - x for case, x in HARDNESS.items()}
                rows["volumes"] += [{**who, "case": case, "dice": dice - hard[case]} for case in CASES]
    results = Results(
        name="s",
        scores=pd.DataFrame(rows["scores"], columns=SCORES),
        seconds=pd.DataFrame(columns=SECONDS),
        volume_dice=pd.DataFrame(rows["volumes"], columns=VOLUME_DICE),
        recipes=list(recipes or DICE),
        failed={},
        unfinished=[],
        weights={},
        sources={},
        origins={},
        folders=folders,
    )
    analysis = Analysis(
        cells=pd.DataFrame(rows["cells"], columns=CELLS),
        areas=pd.DataFrame(rows["areas"], columns=AREAS),
        tests=pd.DataFrame(columns=TESTS),
        penalties=pd.DataFrame(columns=PENALTIES),
        standing=pd.DataFrame(columns=STANDING),
        power=pd.DataFrame(columns=POWERS),
    )
    return results, analysis


def keep_examples(results: Results, key: str, cases: list[str] = CASES) -> None:
    truth = np.zeros((len(cases), 32, 32), np.uint8)
    truth[:, 10:16, 12:20] = 1
    np.savez(
        results.folders[key] / "examples.npz",
        image=np.full((len(cases), 32, 32), 100, np.uint8),
        truth=truth,
        prediction=np.roll(truth, 2, axis=1),
        case=np.array(cases),
        z=np.arange(len(cases)),
    )


def keep_selected(results: Results, key: str, cases: list[str], z: list[int]) -> None:
    label = np.full((len(cases), 16, 16), 255, np.uint8)
    label[:, 4, 4:9] = 2
    image = np.full((len(cases), 16, 16), 50, np.uint8)
    np.savez(results.folders[key] / "selected.npz", image=image, label=label, case=np.array(cases), z=np.array(z))


def keep_embedding(results: Results, key: str, digest: str, count: int = 40) -> None:
    rng = np.random.default_rng(0)
    patient = np.arange(count) // 4
    points = (patient[:, None] + rng.normal(0, 0.01, (count, 3))).astype("f2")
    np.savez(
        results.folders[key] / "embedding.npz",
        points=points,
        patient=patient,
        volume=patient,
        position=np.linspace(0, 1, count).astype("f4"),
        labelled=np.arange(count) % 10 == 0,
        digest=np.array(digest),
    )


def draw(name: str, results: Results, analysis: Analysis) -> Any:
    with styled():
        return FIGURES[name].draw(results, analysis, HERE)


def texts(figure: Any, gid: str) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_gid() == gid]


def test_overlays_show_the_hardest_cases_of_the_last_budget(tmp_path: Path) -> None:
    results, analysis = study(tmp_path)
    for recipe in DICE:
        keep_examples(results, f"{recipe}-s0")
    figure = draw("overlays", results, analysis)
    assert texts(figure, "row") == ["v5\nz 5", "v1\nz 1", "v3\nz 3", "v2\nz 2"]
    assert texts(figure, "column") == ["image", "truth", "gcl_coreset", "coreset", "random"]
    assert texts(figure, "tile")[:3] == ["0.35", "0.25", "0.05"], "Dice of the volume above its prediction"
    assert len(figure.axes[0].images) == 4 * 5
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["class 1"]


def test_overlays_need_cases_that_all_runs_show(tmp_path: Path) -> None:
    results, analysis = study(tmp_path)
    keep_examples(results, "random-s0", ["v0", "v1"])
    keep_examples(results, "coreset-s0", ["v0", "v4"])
    assert texts(draw("overlays", results, analysis), "row") == ["v0\nz 0"]
    keep_examples(results, "coreset-s0", ["v4"])
    assert "no test case in common" in draw("overlays", results, analysis)


def test_of_many_recipes_eight_at_most_have_a_column(tmp_path: Path) -> None:
    results, analysis = study(
        tmp_path, {"random": 0.4, "oracle_foreground": 0.95, **{f"r{i}": 0.4 + i / 100 for i in range(1, 45)}}
    )
    for recipe in results.recipes:
        keep_examples(results, f"{recipe}-s0")
    columns = texts(draw("overlays", results, analysis), "column")[2:]
    assert columns == ["r44", "r43", "r42", "r41", "r40", "r39", "random", "oracle_\nforeground"]


def test_crop_holds_every_structure_in_a_square() -> None:
    a, b = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    a[5:9, 50:60], b[30, 20] = 1, 2
    rows, columns = overlays.crop([a, b])
    assert a[rows, columns].sum() == a.sum() and b[rows, columns].sum() == b.sum()
    assert rows.stop - rows.start == columns.stop - columns.start and rows.start >= 0 and columns.stop <= 64
    assert overlays.crop([a * 0]) == (slice(0, 64), slice(0, 64))


def test_recipes_with_the_same_picks_share_a_row(tmp_path: Path) -> None:
    results, analysis = study(tmp_path)
    keep_selected(results, "random-s0", ["v0", "v1"], [3, 4])
    keep_selected(results, "coreset-s0", ["v0", "v1"], [3, 4])
    keep_selected(results, "gcl_coreset-s0", ["v2"] * 12, list(range(12)))
    keep_selected(results, "gcl_coreset-s1", ["other seed"], [0])
    figure = draw("selected", results, analysis)
    assert texts(figure, "row") == ["gcl_coreset", "coreset\nrandom"]
    assert texts(figure, "tile") == [*(f"v2\nz {i}" for i in range(8)), "v0\nz 3", "v1\nz 4"], "first picks, in order"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["class 1", "class 2"]


def test_selected_of_46_recipes(tmp_path: Path) -> None:
    results, analysis = study(tmp_path, {"random": 0.4, **{f"r{i}": 0.4 + i / 100 for i in range(1, 46)}})
    for i, recipe in enumerate(results.recipes):
        keep_selected(results, f"{recipe}-s0", ["v"], [i])
    rows = texts(draw("selected", results, analysis), "row")
    assert len(rows) <= selected.ROWS and rows[0] == "r45" and rows[-1] == "random"


def test_labels_are_painted_in_the_colour_of_their_class() -> None:
    image, labels = np.full((3, 3), 96, np.uint8), np.array([[0, 1, 2], [255, 0, 1], [0, 0, 0]], np.uint8)
    out = painted(image, labels, 1.0)
    hexes = [to_hex(out[0, i]).upper() for i in range(3)]
    assert hexes == ["#606060", CLASS_COLOURS[0], CLASS_COLOURS[1]]
    np.testing.assert_allclose(out[1, 0], 96 / 255), "an unmarked pixel stays"
    edges = outlined(out, labels)
    assert edges.shape == (6, 6, 3) and (edges[0, 1] == 1).all() and not (edges[0, 0] == 1).all()


def test_embeddings_are_told_apart_by_their_digest(tmp_path: Path) -> None:
    results, analysis = study(tmp_path, {"random": 0.4, "typiclust": 0.9, "coreset": 0.5, "gcl_coreset": 0.3})
    keep_embedding(results, "typiclust-s0", "x")
    keep_embedding(results, "coreset-s0", "x")
    keep_embedding(results, "gcl_coreset-s0", "y")
    figure = draw("embedding", results, analysis)
    names = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert names == ["gcl_coreset", "typiclust and 1 more"], "the paper's first, then by rank"
    shown = figure.axes[0].collections
    assert len(shown[0].get_offsets()) == 40 and len(shown[1].get_offsets()) == 4, "labelled slices are ringed"


def test_embeddings_of_one_digest_at_most_four(tmp_path: Path) -> None:
    results, _ = study(tmp_path, {f"r{i}": 0.1 * i for i in range(6)})
    for i in range(6):
        keep_embedding(results, f"r{i}-s0", f"d{i}")
    found = arrays(results, HERE, "embedding", ("points",))
    order = [f"r{i}" for i in (5, 4, 3, 2, 1, 0)]
    assert [names for names, _ in embedding.distinct(found, order)] == [["r5"], ["r4"], ["r3"], ["r2"]]


def test_thinning_keeps_every_labelled_slice() -> None:
    labelled = np.zeros(5000, bool)
    labelled[[7, 4000]] = True
    rows = embedding.thinned({"labelled": labelled})
    assert len(rows) == embedding.POINTS and {7, 4000} <= set(rows.tolist()) and (np.diff(rows) > 0).all()


def test_tsne_keeps_groups_together_and_repeats() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    points = (10.0 * np.eye(3)[group] + rng.normal(0, 0.1, (60, 3))).astype(np.float32)
    place = embedding.flat(points)
    distance = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(axis=1)] == group).all()
    np.testing.assert_array_equal(place, embedding.flat(points))
    assert embedding.flat(points[:2]).shape == (2, 2)
    found = embedding.clusters(points)
    assert all(len(set(found[group == g]) & set(found[group != g])) == 0 for g in range(3))


def test_numbers_by_size() -> None:
    np.testing.assert_array_equal(embedding.by_size(np.array([5, 9, 9, 2, 9, 2])), [2, 0, 0, 1, 0, 1])


def test_older_runs_have_no_pictures(tmp_path: Path) -> None:
    results, analysis = study(tmp_path)
    labels = np.zeros((2, 8, 8), np.uint8)
    np.savez(  # as written before: float images
        tmp_path / "random-s0" / "examples.npz",
        image=np.zeros((2, 8, 8), np.float32),
        truth=labels,
        prediction=labels,
        case=np.array(["v0", "v1"]),
        z=np.zeros(2, int),
    )
    for name in ("overlays", "selected", "embedding"):
        assert ".npz" in draw(name, results, analysis)


def test_a_damaged_file_costs_one_picture(tmp_path: Path) -> None:
    results, analysis = study(tmp_path)
    (tmp_path / "random-s0" / "selected.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(ResultsError, match="selected.npz is damaged"):
        draw("selected", results, analysis)
    (tmp_path / "report").mkdir()
    done = {one.name: one for one in draw_all(results, analysis, tmp_path / "report")}
    assert done["selected"].failed and "is damaged" in done["selected"].reason
    assert not done["overlays"].failed


def test_a_report_that_anyone_may_see_shows_no_scans(tmp_path: Path) -> None:
    results, analysis = study(tmp_path)
    for recipe in DICE:
        keep_examples(results, f"{recipe}-s0")
    folder = tmp_path / "report"
    folder.mkdir()
    assert {one.name for one in draw_all(results, analysis, folder)} == set(FIGURES)
    assert (folder / "overlays.png").is_file()
    shown = draw_all(results, analysis, folder, scans=False)
    assert {one.name for one in shown} == set(FIGURES) - {"overlays", "selected"}
    assert not [path for path in folder.iterdir() if path.name.startswith(("overlays", "selected"))]
