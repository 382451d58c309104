"""Frames of one setting as dense arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AMOUNTS = ("labelled", "cost", "fraction", "foreground")
"""Columns of the scores that tell how much was annotated by a round."""


@dataclass(frozen=True, eq=False)
class Grid:
    """All runs of a setting.

    recipes (M), seeds (S), budgets (R, their texts), rounds (R, their numbers). dice: (M, S, R, V) in 0..1, NaN where
    a run, a round or a defined Dice is missing. patient: (V,), whom a volume shows, as a number 0..P-1; each volume
    is a patient of its own where patients are unknown. amounts: name of :data:`AMOUNTS` -> (M, S, R), radius:
    (M, S, R) cover radius, NaN where unknown.
    """

    recipes: list[str]
    seeds: list[int]
    budgets: list[str]
    rounds: list[int]
    dice: NDArray[np.float64]
    patient: NDArray[np.intp]
    amounts: dict[str, NDArray[np.float64]]
    radius: NDArray[np.float64]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Score of a run's round, (M, S, R): mean over its volumes that have a Dice, NaN without any."""
        return known_mean(self.dice, axis=-1)

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """Runs that have all rounds, (M, S)."""
        return np.asarray(np.isfinite(self.scores).all(axis=-1))


def known_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean along ``axis`` of what is not NaN, NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def grid(scores: pd.DataFrame, volumes: pd.DataFrame, order: list[str]) -> Grid:
    """Arrays of one setting's rows of ``Results.scores`` and ``Results.volume_dice``; recipes come in ``order``.

    Where a recipe has several runs of one seed, the one that is listed first counts.
    """
    known = set(volumes["recipe"])
    recipes = [name for name in dict.fromkeys([*order, *volumes["recipe"]]) if name in known]
    seeds = sorted({int(seed) for seed in volumes["seed"]})
    budgets = volumes.drop_duplicates("round").sort_values("round")
    rounds = [int(number) for number in budgets["round"]]
    cases = sorted(set(volumes["case"]))
    owners = volumes.dropna(subset="patient") if "patient" in volumes else volumes[:0]  # older runs do not say
    owner = dict(zip(owners["case"], owners.get("patient", []), strict=True))

    def fill(frame: pd.DataFrame, column: str, *, by_case: bool = False) -> NDArray[np.float64]:
        axes: list[tuple[str, list[object]]] = [("recipe", [*recipes]), ("seed", [*seeds]), ("round", [*rounds])]
        axes += [("case", [*cases])] if by_case else []
        out = np.full([len(values) for _, values in axes], np.nan)
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
