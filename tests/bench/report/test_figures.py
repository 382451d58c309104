"""What the pictures of a report show, against hand-made results."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.text import Text

from alseg_core.metrics.curve import aubc
from bench.report.analysis import AREAS, CELLS, PENALTIES, POWERS, STANDING, TESTS, Analysis
from bench.report.compared import ranking
from bench.report.figures import FIGURES, draw_all
from bench.report.figures.highlight import highlighted, palette
from bench.report.figures.labels import spread
from bench.report.figures.letters import broken, cut
from bench.report.figures.looks import COLOURS, HUES, KNOWN, looks
from bench.report.figures.style import save, styled
from bench.report.runs.columns import SCORES, SECONDS, VOLUME_DICE
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Scope
from tests.bench.report.study_files import config_of

HERE: Scope = ("d", "scribble", "default")
SLICES = 1000
"""Of the training set."""

SELECT = {"slow": 45.0}
"""Recipe -> CPU seconds of a selection, where they are not half a second."""


def rows_of(
    scores: dict[str, list[float]],
    *,
    at: Scope = HERE,
    seeds: int = 3,
    price: float = 1 / 15,
    half: float = 0.05,
    labelled: list[int] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Rows of all tables of a setting in which recipe -> Dice of every budget."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("cells", "areas", "standing", "scores", "seconds", "volumes")
    }
    setting = dict(zip(SETTING, at, strict=True))
    for recipe, values in scores.items():
        for number, dice in enumerate(values):
            n = (labelled or [10, 20, 40, 80, 160, 200, 250, 300, 400])[number]
            amounts = {"round": number, "budget": str(n), "labelled": n, "cost": n * price, "fraction": n / SLICES}
            rows["cells"].append(
                {
                    **setting,
                    "recipe": recipe,
                    **amounts,
                    "mean": dice,
                    "sd": 0.01,
                    "low": dice - half,
                    "high": dice + half,
                    "interval": "seeds x volumes" if seeds > 1 else "volumes",
                    "seeds": seeds,
                    "volumes": 2,
                    "cover_radius": 1 - dice,
                    "best": False,
                    "tied": False,
                }
            )
            for seed in range(seeds):
                run = {**setting, "recipe": recipe, "seed": seed, "key": f"{recipe}-{at[1]}-s{seed}"}
                rows["scores"].append({**run, **amounts, "metric": "dice", "value": dice + seed / 100})
                rows["scores"].append({**run, **amounts, "metric": "cover_radius", "value": 1 - dice})
                rows["seconds"] += [
                    {**run, "round": number, "part": "train", "seconds": 10.0 + seed},
                    {**run, "round": number, "part": "embed", "seconds": 3.0, "cpu_seconds": 0.25},
                    {**run, "round": number, "part": "select", "seconds": 8.0, "cpu_seconds": SELECT.get(recipe, 0.5)},
                    {**run, "round": number, "part": "annotate", "seconds": 0.5},
                ]
                rows["volumes"] += [{**run, **amounts, "case": f"v{i}", "dice": dice - i / 10} for i in range(6)]
        area = float(np.mean(values)) if len(values) > 1 else math.nan
        who = {**setting, "recipe": recipe}
        bounds = {"low": area - half, "high": area + half}
        rows["areas"].append({**who, "axis": "slices", "mean": area, "sd": 0.01, **bounds, "seeds": seeds})
        better = math.nan if recipe == "random" else float(area > 0.5)
        rows["standing"].append(
            {**who, "improvement": better, "improvement_low": better * 0.6, "improvement_high": better}
        )
    return rows


def made(
    *settings: dict[str, list[dict[str, Any]]],
    penalties: list[dict[str, Any]] | None = None,
    folders: dict[str, Path] | None = None,
) -> tuple[Results, Analysis]:
    """Results and analysis of those rows."""

    def table(name: str, columns: list[str]) -> pd.DataFrame:
        return pd.DataFrame([row for rows in settings for row in rows[name]], columns=columns)

    scores = table("scores", SCORES)
    results = Results(
        name="s",
        scores=scores,
        volume_dice=table("volumes", VOLUME_DICE),
        seconds=table("seconds", SECONDS),
        recipes=list(dict.fromkeys(scores["recipe"])),
        failed={},
        unfinished=[],
        weights={},
        sources={},
        origins={},
        folders=folders or {},
    )
    analysis = Analysis(
        cells=table("cells", CELLS),
        areas=table("areas", AREAS),
        standing=table("standing", STANDING),
        penalties=pd.DataFrame(penalties or [], columns=PENALTIES),
        tests=pd.DataFrame(columns=TESTS),
        power=pd.DataFrame(columns=POWERS),
    )
    return results, analysis


def drawn(name: str, results: Results, analysis: Analysis, setting: Scope = HERE) -> Figure:
    """The picture of that name, which must be one."""
    with styled():
        figure = FIGURES[name].draw(results, analysis, setting)
    assert isinstance(figure, Figure), figure
    return figure


def reason(name: str, results: Results, analysis: Analysis, setting: Scope = HERE) -> str:
    """Why there is no picture of that name."""
    why = FIGURES[name].draw(results, analysis, setting)
    assert isinstance(why, str)
    return why


def bars(axis: Axes) -> dict[str, Any]:
    """Recipe -> errorbar container."""
    return {str(container.get_label()): container for container in axis.containers}


def runs_in(axis: Axes) -> list[float]:
    """Dice of the points that are single runs."""
    found = [np.asarray(points.get_offsets()) for points in axis.collections if isinstance(points, PathCollection)]
    return [float(y) for offsets in found for _, y in offsets]


def ends(axis: Axes) -> list[str]:
    """Names at the ends of lines, from top to bottom."""
    return [text.get_text() for text in sorted(end_texts(axis), key=lambda text: -text.get_position()[1])]


def end_texts(axis: Axes) -> list[Text]:
    """Texts at the ends of lines."""
    return [text for text in axis.texts if text.get_text()]


def many(count: int, budgets: int) -> dict[str, list[float]]:
    """random, an oracle and recipes r0 (worst), r1, ..."""
    dice = {f"r{i}": [0.3 + 0.01 * i + 0.02 * b for b in range(budgets)] for i in range(count - 2)}
    return {"random": [0.4] * budgets, **dice, "oracle_foreground": [0.9] * budgets}


FEW = {"random": [0.3, 0.4, 0.5], "coreset": [0.5, 0.6, 0.7], "slow": [0.2, 0.3, 0.6]}


def test_curves_show_means_and_intervals() -> None:
    figure = drawn("curves", *made(rows_of(FEW)))
    (axis,) = figure.axes
    shown = bars(axis)
    assert set(shown) == set(FEW)
    for recipe, dice in FEW.items():
        line, _, (segments,) = shown[recipe]
        np.testing.assert_allclose(line.get_ydata(), dice)
        np.testing.assert_allclose(line.get_xdata(), [10, 20, 40], atol=0.05 * 40)
        tops = [segment[:, 1].max() for segment in segments.get_segments()]
        np.testing.assert_allclose(tops, np.array(dice) + 0.05)
    starts = [float(shown[recipe][0].get_xdata()[0]) for recipe in FEW]
    assert len(set(starts)) == 3, "bars would hide bars"
    assert ends(axis) == ["coreset", "slow", "random"], "names stand in the order of the lines' ends"
    assert axis.get_xlabel() == "labelled slices" and "over seeds and patients" in axis.get_ylabel()
    assert not runs_in(axis)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["10", "20", "40"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_are_points_and_validation_scores_are_called_so(seeds: int) -> None:
    results, analysis = made(rows_of(FEW, seeds=seeds))
    (axis,) = drawn("curves", results, analysis).axes
    assert "single runs" in axis.get_ylabel() and "95 %" not in axis.get_ylabel()
    assert all(not errors for _, _, errors in bars(axis).values()), "no interval"
    dice = [value + seed / 100 for values in FEW.values() for value in values for seed in range(seeds)]
    assert sorted(runs_in(axis)) == pytest.approx(sorted(dice))
    bottom, top = axis.get_ylim()
    assert bottom < min(dice) and max(dice) < top
    results.scored[HERE] = "val"
    assert "validation Dice" in drawn("curves", results, analysis).axes[0].get_ylabel()


def test_the_window_stays_within_what_dice_can_be() -> None:
    for values in ([0.0, 0.01, 0.02], [0.98, 0.99, 1.0]):
        low, high = drawn("curves", *made(rows_of({"random": values}, half=0.0))).axes[0].get_ylim()
        assert low >= -0.01 and high <= 1.01


def test_areas_of_few_seeds_are_points() -> None:
    (axis,) = drawn("areas", *made(rows_of(FEW, seeds=2))).axes
    assert "95 %" not in axis.get_xlabel() and not axis.patches
    expected = [aubc([10, 20, 40], np.array(values) + seed / 100) for values in FEW.values() for seed in range(2)]
    places = [np.asarray(points.get_offsets()) for points in axis.collections if isinstance(points, PathCollection)]
    assert sorted(np.concatenate(places)[:, 0]) == pytest.approx(sorted(expected))
    spans = [np.ptp(np.asarray(line.get_xdata(), dtype=float)) for line in axis.lines]
    assert not np.any(np.nan_to_num(spans)), "no interval"


def test_long_intervals_do_not_flatten_the_curves() -> None:
    low, high = drawn("curves", *made(rows_of(FEW, half=0.9))).axes[0].get_ylim()
    assert low < 0.2 and high > 0.7 and high - low < 1.3


@pytest.mark.filterwarnings("error")
def test_curves_of_one_dice_everywhere_have_a_window() -> None:
    alike = made(rows_of({"random": [0.5] * 3, "coreset": [0.5] * 3}, half=0.0))
    low, high = drawn("curves", *alike).axes[0].get_ylim()
    assert low < 0.5 < high


def test_of_many_recipes_the_best_and_the_references_stand_out() -> None:
    results, analysis = made(rows_of(many(46, 9)))
    names = highlighted(analysis, HERE)
    assert names == ["r43", "r42", "r41", "r40", "r39", "r38", "random", "oracle_foreground"]
    (axis,) = drawn("curves", results, analysis).axes
    assert set(bars(axis)) == set(names) and ends(axis) == [names[-1], *names[:-1]]  # from the top
    grey = [line for line in axis.lines if str(line.get_label()).startswith("r") and line.get_label() != "random"]
    assert len(grey) == 46 - len(names) and {line.get_color() for line in grey} == {"#cfcfcf"}
    look = palette(results)
    assert len({look[name] for name in names}) == len(names)


def test_names_at_the_ends_do_not_overlap() -> None:
    figure = drawn("curves", *made(rows_of({f"r{i}": [0.4, 0.5, 0.6 + i / 1000] for i in range(10)})))
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    boxes = sorted((text.get_window_extent() for text in end_texts(figure.axes[0])), key=lambda box: box.y0)
    assert len(boxes) == 10
    assert all(lower.y1 <= upper.y0 + 3 for lower, upper in itertools.pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes), "no name is cut off"


@pytest.mark.parametrize("wanted", [[0.5, 0.5, 0.5], [0.1, 0.9], [0.0, 0.02, 0.9, 0.01], [0.99, 1.0, 0.98]])
def test_spread_keeps_order_and_distance(wanted: list[float]) -> None:
    placed = np.array(spread(wanted, 0.1, 0.0, 1.0))
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= 0.1 - 1e-9).all() and placed.min() >= 0 and placed.max() <= 1 + 1e-9
    far = [i for i, w in enumerate(wanted) if all(abs(w - v) > 0.2 for j, v in enumerate(wanted) if j != i)]
    assert all(placed[i] == wanted[i] for i in far), "who has room stays"


def test_a_recipe_looks_the_same_everywhere() -> None:
    other: Scope = ("d", "mask", "default")
    results, analysis = made(rows_of(FEW), rows_of({"coreset": [0.6, 0.7, 0.8], "random": [0.4, 0.5, 0.6]}, at=other))
    colours = [bars(drawn("curves", results, analysis, at).axes[0])["coreset"][0].get_color() for at in (HERE, other)]
    area = drawn("areas", results, analysis).axes[0]
    colours += [line.get_color() for line in area.lines if line.get_label() == "coreset"]
    assert len(colours) == 3 and len(set(colours)) == 1


def test_looks_never_repeat() -> None:
    table = looks([*(f"r{i}" for i in range(200)), *KNOWN])
    assert len({(look.colour, look.marker, str(look.line)) for look in table.values()}) == 200 + len(KNOWN)
    assert table["random"].colour not in HUES
    assert len(looks(f"r{i}" for i in range(2000))) == 2000


def test_a_recipe_looks_the_same_in_every_report() -> None:
    alone = {name: looks([name])[name] for name in (*KNOWN, "mine")}
    assert looks(alone) == alone
    assert [alone[name].line for name in ("oracle_foreground", "oracle_greedy")] == ["--", "--"]
    assert looks(["oracle_of_mine"])["oracle_of_mine"].line == "--"
    crowd = looks([*(f"r{i}" for i in range(50)), "mine"])
    assert crowd["mine"].colour == alone["mine"].colour, "others with its look change its mark, not its colour"


def test_every_recipe_of_the_catalogue_has_a_look_of_its_own() -> None:
    there = {path.stem for path in Path("experiments/recipes").glob("*.yaml") if "_tuned_" not in path.stem}
    assert set(KNOWN) == there and sum(map(len, COLOURS.values())) == len(there) - 1


def test_recipes_of_one_study_differ_in_colour() -> None:
    for path in Path("experiments/studies").glob("*.yaml"):
        recipes = yaml.safe_load(path.read_text()).get("recipes")
        # those that a study writes out itself get what is left
        if isinstance(recipes, list) and len(recipes) <= 10 and all(isinstance(name, str) for name in recipes):
            table = looks(recipes)
            assert len({look.colour for look in table.values()}) == len(recipes), (path, table)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("coreset", ["coreset"]),
        ("gcl_group_coreset", ["gcl_group_", "coreset"]),
        ("stochasticbatches", ["stochasticb", "atches"]),
        ("a_very_long_name_that_goes_on_and_ends", ["a_very_long", "…n_and_ends"]),
    ],
)
def test_long_names_are_broken_and_keep_both_ends(name: str, rows: list[str]) -> None:
    assert broken(name, 11).split("\n") == rows
    assert cut(name, 100) == name and len(cut(name, 7)) <= 7


def test_a_bar_that_leaves_the_frame_ends_in_an_arrow() -> None:
    def curves(half: float) -> Axes:
        return drawn("curves", *made(rows_of({"random": [0.4, 0.5], "coreset": [0.45, 0.55]}, half=half))).axes[0]

    def arrows(axis: Axes) -> set[float]:
        return {
            float(np.asarray(line.get_ydata())[0]) for line in axis.lines if line.get_marker() in (CARETUP, CARETDOWN)
        }

    assert arrows(curves(0.05)) == set()
    axis = curves(0.4)
    assert arrows(axis) == set(axis.get_ylim())


def test_ranking_falls_back_on_the_last_dice() -> None:
    _, analysis = made(rows_of({"a": [0.3], "b": [0.5], "c": [0.4]}))
    assert ranking(analysis, HERE) == ["b", "c", "a"]


def test_annotation_time_is_the_share_of_labelling_everything_in_full() -> None:
    full: Scope = ("d", "mask", "default")
    results, analysis = made(
        rows_of({"random": [0.3, 0.4], "coreset": [0.5, 0.6]}),
        rows_of({"random": [0.5, 0.6], "random_3d": [0.4, 0.5]}, at=full, price=1.0),
    )
    (axis,) = drawn("annotation_time", results, analysis, ("d", None, None)).axes
    shown = bars(axis)
    assert set(shown) == {"random, scribble", "random, mask", "coreset", "random_3d"}
    np.testing.assert_allclose(shown["random, mask"][0].get_xdata(), [1.0, 2.0], rtol=0.02)
    np.testing.assert_allclose(shown["random, scribble"][0].get_xdata(), [1 / 15, 2 / 15], rtol=0.02)
    assert shown["random, mask"][0].get_linestyle() != shown["random, scribble"][0].get_linestyle()
    assert "one kind of annotation (scribble)" in reason("annotation_time", *made(rows_of(FEW)), ("d", None, None))


def test_areas_are_in_order_with_the_best_on_top() -> None:
    (axis,) = drawn("areas", *made(rows_of(FEW))).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["coreset", "random", "slow"]
    assert axis.yaxis_inverted()
    points = {line.get_label(): line.get_xdata()[0] for line in axis.lines if line.get_label() in FEW}
    assert points == {"coreset": pytest.approx(0.6), "random": pytest.approx(0.4), "slow": pytest.approx(11 / 30)}
    assert "no AUBC" in reason("areas", *made(rows_of({"random": [0.3]})))


def test_improvement_needs_random_and_three_seeds() -> None:
    (axis,) = drawn("improvement", *made(rows_of(FEW))).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["coreset", "slow"]
    assert "fewer than 3 seeds" in reason("improvement", *made(rows_of(FEW, seeds=2)))
    assert "no runs of random" in reason("improvement", *made(rows_of({"a": [0.1, 0.2], "b": [0.2, 0.3]})))


def lost(winner: str, loser: str, penalty: float) -> dict[str, Any]:
    setting = dict(zip(SETTING, HERE, strict=True))
    return {**setting, "winner": winner, "loser": loser, "penalty": penalty}


def test_penalties_are_ordered_by_what_was_won() -> None:
    penalties = [
        lost("a", "b", 0.25),
        lost("b", "a", 0.0),
        lost("c", "a", 0.5),
        lost("a", "c", 0.0),
        lost("c", "b", 1.0),
        lost("b", "c", 0.0),
    ]
    axis = drawn("penalties", *made(rows_of(FEW), penalties=penalties)).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["c", "a", "b"]
    won = np.array([[0, 0.5, 1], [0, 0, 0.25], [0, 0, 0]])
    np.testing.assert_allclose(np.asarray(axis.images[0].get_array()), won)
    texts = {text.get_position(): text.get_text() for text in axis.texts}
    assert texts == {(1, 0): ".50", (2, 0): "1", (2, 1): ".25"}


def test_penalties_where_nothing_was_lost() -> None:
    nothing = [lost("a", "b", 0.0), lost("b", "a", 0.0)]
    assert "leaves 0 out" in reason("penalties", *made(rows_of(FEW), penalties=nothing))
    assert "3 seeds in common" in reason("penalties", *made(rows_of(FEW, seeds=1)))


def test_cover_radius_has_its_correlation_within_each_budget() -> None:
    figure = drawn("cover", *made(rows_of(FEW)))
    (axis,) = figure.axes
    assert [len(np.asarray(points.get_offsets())) for points in axis.collections] == [9, 9, 9]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    # radius = 1 - Dice of the first seed: the order of the recipes is turned round, but for ties of the seeds
    assert all(label.startswith(f"{n}  ρ = \N{MINUS SIGN}") for label, n in zip(labels, (10, 20, 40), strict=True))
    alone = drawn("cover", *made(rows_of({"random": [0.3, 0.4]}, seeds=1)))
    assert [text.get_text() for text in alone.legends[0].get_texts()] == ["10", "20"], "one point has no correlation"


def test_cover_radius_names_its_embedding(tmp_path: Path) -> None:
    results, analysis = made(rows_of(FEW))
    (axis,) = drawn("cover", results, analysis).axes
    assert axis.get_xlabel().startswith("cover radius in the study's reference embedding\n(")
    config = config_of("random", 0, {"cover": {"name": "contrastive"}})
    (tmp_path / "config.json").write_text(json.dumps({"config": config}))
    folders = dict.fromkeys(results.scores["key"], tmp_path)
    (axis,) = drawn("cover", *made(rows_of(FEW), folders=folders)).axes
    assert "the study's reference embedding, contrastive" in axis.get_xlabel()
    assert "coreset" in FIGURES["cover"].caption and "differ by recipe" in FIGURES["cover"].caption


def widths(axis: Any) -> dict[str, list[float]]:
    """Part -> lengths of its bars, from the top."""
    return {str(c.get_label()): [bar.get_width() for bar in c] for c in axis.containers}


def test_seconds_are_those_of_choosing_the_slices_of_a_round() -> None:
    rows = rows_of(FEW)
    (axis,) = drawn("seconds", *made(rows)).axes  # all recipes cost the same: no second panel
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "slow", "quickest on top"
    assert widths(axis) == {"embed": [0.25] * 3, "select": [0.5, 0.5, 45.0]}
    assert "CPU seconds" in axis.get_xlabel() and "0.27 % of full annotation" in axis.get_xlabel()
    del rows["seconds"][1]["cpu_seconds"]  # one round of an older run
    (axis,) = drawn("seconds", *made(rows)).axes
    assert widths(axis) == {"embed": [3.0] * 3, "select": [8.0] * 3} and "waiting included" in axis.get_xlabel()


def test_costs_that_differ_are_shown() -> None:
    rows = rows_of(FEW)
    for cell in rows["cells"]:
        cell["cost"] *= 15 if cell["recipe"] == "slow" else 1
    _, right = drawn("seconds", *made(rows)).axes
    bars: list[Any] = list(right.patches)
    assert sorted(bar.get_width() for bar in bars) == pytest.approx([4 / 15, 4 / 15, 4])


@pytest.mark.parametrize(("recipes", "budgets", "seeds"), [(3, 1, 1), (46, 9, 3)])
def test_everything_is_drawn_or_says_why(tmp_path: Path, recipes: int, budgets: int, seeds: int) -> None:
    results, analysis = made(rows_of(many(recipes, budgets), seeds=seeds))
    done = draw_all(results, analysis, tmp_path)
    assert [one.name for one in done] == list(FIGURES)
    assert not any(one.failed for one in done), [one.reason for one in done if one.failed]
    assert all((one.path is None) == bool(one.reason) for one in done)
    assert {"curves", "cover", "seconds"} <= {one.name for one in done if one.path is not None and one.path.exists()}
    assert all(one.path.stat().st_size < 300_000 for one in done if one.path is not None)
    assert all(one.title and one.caption.count(".") >= 2 for one in done)


def test_unfinished_runs_and_undefined_intervals_are_drawn(tmp_path: Path) -> None:
    rows = rows_of({"random": [0.3, 0.4, 0.5], "coreset": [0.5]})
    for cell in rows["cells"]:
        cell["low"] = cell["high"] = math.nan
    rows["standing"], rows["areas"] = [], rows["areas"][:1]
    assert not any(one.failed for one in draw_all(*made(rows), tmp_path))


def test_nothing_finished(tmp_path: Path) -> None:
    assert draw_all(*made(rows_of({})), tmp_path) == []


def test_an_error_takes_nothing_else_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, analysis = made(rows_of(FEW))
    del analysis.cells["low"]  # the curves cannot do without
    (tmp_path / "curves.png").write_text("of yesterday")
    done = {one.name: one for one in draw_all(results, analysis, tmp_path)}
    assert done["curves"].failed and "low" in done["curves"].reason and done["curves"].path is None
    assert not (tmp_path / "curves.png").exists()
    assert done["areas"].path == tmp_path / "areas.png"


def test_files_of_several_settings_and_equal_bytes(tmp_path: Path) -> None:
    tables = made(rows_of(FEW), rows_of(FEW, at=("d", "../x y", "low")))
    names = [one.path for one in draw_all(*tables, tmp_path) if one.name == "curves" and one.path is not None]
    assert [path.name for path in names] == ["curves-d_scribble_default.png", "curves-d_.._x_y_low.png"]
    assert all(path.parent == tmp_path for path in names)
    first = names[0].read_bytes()
    with styled():
        save(drawn("curves", *tables), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first


def test_the_look_stays_within_the_pictures() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawn("curves", *made(rows_of(FEW)))
    assert dict(matplotlib.rcParams) == before
