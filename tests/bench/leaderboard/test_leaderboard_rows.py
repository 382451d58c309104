"""Rows of a setting with several methods: Holm's correction, references, seconds, minutes and bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from alseg_core.metrics.curve import aubc
from bench.leaderboard.bars import EDGE, WIDTH, bar
from bench.leaderboard.rows import Difference, Row, rows
from bench.report import collect
from bench.report.analysis import analyse
from bench.report.tables import panels
from tests.bench.report.study_files import LABELLED, study

DICE: dict[str, list[list[float]]] = {
    "random": [[0.30, 0.40, 0.50], [0.32, 0.41, 0.53], [0.29, 0.43, 0.52], [0.31, 0.39, 0.51]],
    "coreset": [[0.36, 0.47, 0.58], [0.37, 0.46, 0.60], [0.36, 0.49, 0.57], [0.39, 0.45, 0.59]],
    "entropy": [[0.30, 0.37, 0.49], [0.31, 0.39, 0.50], [0.27, 0.43, 0.48], [0.30, 0.36, 0.47]],
    "badge": [[0.34, 0.36, 0.50], [0.30, 0.44, 0.55], [0.33, 0.43, 0.49], [0.28, 0.39, 0.55]],
    "oracle_greedy": [[0.50, 0.60, 0.70], [0.49, 0.63, 0.71], [0.52, 0.61, 0.69], [0.50, 0.60, 0.72]],
}
"""Recipe -> Dice by seed and budget."""


def made(folder: Path, seeds: int = 4, **changes: Any) -> dict[str, Row]:
    """Recipe -> its row, of a study with the scores of :data:`DICE`."""
    runs = [
        {"recipe": recipe, "seed": seed, "dice": DICE[recipe][seed], **changes}
        for recipe in DICE
        for seed in range(seeds)
    ]
    results = collect(study(folder, runs))
    analysis = analyse(results)
    (panel,) = panels(results, analysis)
    families = dict.fromkeys(DICE, "Coverage")
    return {row.recipe: row for row in rows(results, analysis, panel, ("bundle", True), families)}


def areas(recipe: str) -> list[float]:
    return [aubc(LABELLED, dice) for dice in DICE[recipe]]


def test_p_is_corrected_by_holm_over_the_methods_and_not_for_references(tmp_path: Path) -> None:
    found = made(tmp_path / "s")
    single = {name: stats.ttest_rel(areas(name), areas("random")).pvalue for name in DICE if name != "random"}
    family = sorted((name for name in single if name != "oracle_greedy"), key=lambda name: float(single[name]))
    highest = 0.0
    for i, name in enumerate(family):
        highest = max(highest, min(1.0, single[name] * (len(family) - i)))
        difference = found[name].difference
        assert difference is not None and difference.p == pytest.approx(highest) and difference.note == ""
    oracle = found["oracle_greedy"]
    assert oracle.reference and oracle.difference is not None
    assert oracle.difference.p == pytest.approx(single["oracle_greedy"])
    assert oracle.difference.note == "uncorrected"
    findings = [found[name].difference.finding for name in ("coreset", "badge", "entropy")]
    assert findings == ["better", "not shown", "worse"]


def test_two_seeds_have_neither_intervals_nor_tests(tmp_path: Path) -> None:
    difference = made(tmp_path / "s", seeds=2)["coreset"].difference
    assert difference is not None and difference.interval == difference.probability == "—"
    assert difference.finding == "not tested"


def test_seconds_are_cpu_time_or_are_called_wall_time(tmp_path: Path) -> None:
    wall = {"seconds": {"embed": 9.0, "select": 2.0}}
    older = made(tmp_path / "older", rounds=wall)["coreset"]
    assert (older.embedding.text, older.selection.text) == ("9.00 (wall)", "2.00 (wall)")
    newer = made(tmp_path / "newer", rounds={**wall, "cpu_seconds": {"embed": 4.0, "select": 1.0}})["coreset"]
    assert (newer.embedding.text, newer.selection.text) == ("4.00", "1.00")
    assert made(tmp_path / "none")["coreset"].selection.text == "—"


def test_minutes_are_those_of_the_last_budget(tmp_path: Path) -> None:
    assert made(tmp_path / "s")["coreset"].minutes.value is None
    assert made(tmp_path / "t", rounds={"minutes": 12.5})["coreset"].minutes.text == "12.5"


def test_a_bar_ends_where_its_scale_does() -> None:
    picture = str(bar(Difference("random", "AUBC", 0.0, -0.1, 0.3, 0.5, ""), (-0.1, 0.3)))
    assert f'x1="{EDGE:.1f}" x2="{WIDTH - EDGE:.1f}"' in picture
    assert f'cx="{EDGE + (WIDTH - 2 * EDGE) / 4:.1f}"' in picture and 'class="bar not-shown"' in picture
