"""Tables of one setting as dense arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alseg_core.errors import ResultsError

RECIPES = 500
"""Most recipes of a setting; all pairs are compared."""
CELLS = 50_000_000
"""Most numbers of a table; ten seeds of the catalogue on 500 volumes have two million."""
AMOUNTS = ("labelled", "cost", "fraction", "foreground", "validation", "minutes", "validation_minutes")
"""Columns of the scores with what was annotated by a round."""


@dataclass(frozen=True, eq=False)
class Grid:
    """All runs of a setting."""

    recipes: list[str]
    """Names of the M recipes."""
    seeds: list[int]
    """The S seeds."""
    budgets: list[str]
    """Texts of the R budgets."""
    rounds: list[int]
    """Numbers of the R rounds."""
    dice: NDArray[np.float64]
    """Dice of the test volumes, (M, S, R, V) in 0..1; NaN if a run, a round or a defined Dice is missing."""
    patient: NDArray[np.intp]
    """Number of each volume's patient, (V,) in 0..P-1; without known patients, each volume is one."""
    amounts: dict[str, NDArray[np.float64]]
    """Name in :data:`AMOUNTS` -> amounts, (M, S, R); NaN = unknown."""
    radius: NDArray[np.float64]
    """Cover radius, (M, S, R); NaN = unknown."""

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Score of each round of a run, (M, S, R): mean over volumes with a defined Dice, NaN without any."""
        return known_mean(self.dice, axis=-1)

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """Whether runs have all rounds, (M, S)."""
        return np.asarray(np.isfinite(self.scores).all(axis=-1))


def known_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the mean along ``axis`` of values that are not NaN, NaN if there are none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def grid(scores: pd.DataFrame, volumes: pd.DataFrame, order: list[str]) -> Grid:
    """Return the arrays of one setting's rows of ``Results.scores`` and ``Results.volume_dice``, recipes in ``order``.

    If a recipe has several runs of one seed, the first one listed counts. Raises ResultsError for tables that are too
    large.
    """
    known = set(volumes["recipe"])
    recipes = [name for name in dict.fromkeys([*order, *volumes["recipe"]]) if name in known]
    seeds = sorted({int(seed) for seed in volumes["seed"]})
    budgets = volumes.drop_duplicates("round").sort_values("round")
    rounds = [int(number) for number in budgets["round"]]
    cases = sorted(set(volumes["case"]))
    owners = volumes.dropna(subset="patient") if "patient" in volumes else volumes[:0]  # older runs do not record it
    owner = dict(zip(owners["case"], owners.get("patient", []), strict=True))

    def fill(frame: pd.DataFrame, column: str, *, by_case: bool = False) -> NDArray[np.float64]:
        axes: list[tuple[str, list[object]]] = [("recipe", [*recipes]), ("seed", [*seeds]), ("round", [*rounds])]
        axes += [("case", [*cases])] if by_case else []
        shape = [len(values) for _, values in axes]
        if math.prod(shape) > CELLS or len(recipes) > RECIPES:
            size = ", ".join(f"{len(values)} {name}s" for name, values in axes)
            raise ResultsError(f"a setting has {size}: too many to compare; name fewer folders.")
        out = np.full(shape, np.nan)
        if column in frame:
            names = [name for name, _ in axes]
            first = frame.drop_duplicates(["recipe", "seed"])
            rows = frame[frame["key"].isin(set(first["key"]))].drop_duplicates(names)
            places = [pd.Index(values).get_indexer(pd.Index(rows[name])) for name, values in axes]
            seen = np.all([place >= 0 for place in places], axis=0)
            out[tuple(place[seen] for place in places)] = rows[column].to_numpy(dtype=float)[seen]
        return out

    dice = scores[scores["metric"] == "dice"]
    radius = scores[scores["metric"] == "cover_radius"]
    return Grid(
        recipes=recipes,
        seeds=seeds,
        budgets=[str(text) for text in budgets["budget"]],
        rounds=rounds,
        dice=fill(volumes, "dice", by_case=True),
        patient=np.unique([str(owner.get(case, case)) for case in cases], return_inverse=True)[1],
        amounts={name: fill(dice, name) for name in AMOUNTS},
        radius=fill(radius, "value"),
    )
