"""Targeted facility location: slices that resemble a few target examples."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError, shown, unknown_name
from alseg_core.geometry.clusters import unit_length
from alseg_core.quantities import Weight
from alseg_core.registry import component
from alseg_core.strategies.random import Random
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IGNORE, FloatArray, IntArray, Selection

BLOCK = 256
"""Number of candidates whose gains are computed at a time."""

DIGITS = 9
"""Most digits of the number of a target slice."""

DECIMALS = 9
"""Digits of a gain that count: equal slices stay equal whatever the block they are computed in."""


@component
class FacilityLocationTarget(Strategy):
    """Greedy maximum of the facility-location mutual information between picks and a few target slices.

    I(A; T) = sum_t max_{a in A} s(a, t) + eta sum_{a in A} max_t s(a, t), for picks A, targets T and similarities
    s = (1 + cosine) / 2 of the embedding in [0, 1] (FLQMI). Slices annotated before count as picks. It is submodular:
    the gain of a slice only shrinks as the picks grow, which lazy greedy uses to compute few gains again; the picks are
    those of plain greedy. The score of a pick is its gain.

    Targets are slices of the pool, named, as in the paper. Without names they are the slices annotated so far that hold
    foreground, which is our reading and asks for slices much like those that are there; they do not count as picks,
    which would cover them. Named targets that are not annotated yet are candidates too, and usually the first picks.
    While there is no target at all, the picks are those of strategy random, which ``signals.targets`` says.
    """

    format: ClassVar[int] = 3
    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Foellmer et al., GALMIS, MICCAI 2025; FLQMI: Kothawade et al., AAAI 2022"

    targets: tuple[str, ...] = ()
    """Target slices as "case:z" with z from 0; none: the annotated slices with foreground."""
    eta: Weight = 1.0
    """Weight of the picks' own similarity to their nearest target, >= 0; at 0, slices that cover no target better gain
    nothing and come in order."""

    def __post_init__(self) -> None:
        for target in self.targets:
            case, colon, z = target.rpartition(":")
            if not (colon and case and z.isascii() and z.isdigit() and len(z) <= DIGITS):
                raise ConfigError(
                    f"targets: a slice as case:z with z from 0, such as patient001:5, was wanted, got {shown(target)}."
                )

    def check_pool(self, table: SliceTable) -> None:
        """See :class:`Strategy`."""
        self._named(table)

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        targets = self._named(view.table) if self.targets else self._annotated(view)
        if not len(targets):
            return replace(Random().select(view, budget, rng), facts={"targets": "none yet, picked at random"})
        features = unit_length(view.embedding())
        picked = view.labelled if self.targets else np.setdiff1d(view.labelled, targets)
        rows, gains = lazy_greedy(features[view.unlabelled], features[targets], features[picked], budget, self.eta)
        return Selection(view.unlabelled[rows], gains)

    def _named(self, table: SliceTable) -> IntArray:
        """Return the positions of the named targets. Raises ConfigError for an unknown case and z out of range."""
        positions = []
        for target in dict.fromkeys(self.targets):
            case, _, z = target.rpartition(":")
            if case not in table.cases:
                raise ConfigError(f"targets: {unknown_name('training case', case, table.cases)}")
            of_case = table.of_volume(table.cases.index(case))
            found = of_case[table.z[of_case] == int(z)]
            if not len(found):
                raise ConfigError(
                    f"targets: case {case!r} has slices {table.z[of_case[0]]} to {table.z[of_case[-1]]}, got "
                    f"{shown(target)}."
                )
            positions.append(int(found[0]))
        return np.array(positions, dtype=np.int64)

    def _annotated(self, view: View) -> IntArray:
        """Return the annotated slices with foreground, by volume and z."""
        positions, labels = view.bought()
        marked = ((labels != 0) & (labels != IGNORE)).any(axis=(1, 2))
        return view.labelled[np.isin(view.labelled, positions[marked])]


def lazy_greedy(
    candidates: FloatArray, targets: FloatArray, before: FloatArray, count: int, eta: float
) -> tuple[IntArray, NDArray[np.float64]]:
    """Pick ``count`` rows of candidates (U, D) for targets (T, D); return rows and their gains.

    before: (P, D) picks of earlier rounds. All have length 1.

    A gain computed before an earlier pick bounds the present one from above, so only the candidates with the highest
    bounds are computed again, until the best of all is up to date (Minoux 1978). Ties go to the first row.
    """
    wanted = targets.astype(np.float64)
    bound = np.empty(len(candidates))

    def similarity(vectors: FloatArray) -> NDArray[np.float64]:
        return (1 + vectors.astype(np.float64) @ wanted.T) / 2

    covered = similarity(before).max(axis=0, initial=0.0)

    def update(rows: IntArray) -> None:
        alike = similarity(candidates[rows])
        gain = np.maximum(alike - covered, 0).sum(axis=1) + eta * alike.max(axis=1)
        bound[rows] = np.round(gain, DECIMALS)

    everyone = np.arange(len(candidates))
    for start in range(0, len(everyone), BLOCK):
        update(everyone[start : start + BLOCK])
    fresh = np.ones(len(everyone), dtype=bool)
    picks, gains = np.empty(count, dtype=np.int64), np.empty(count)
    for i in range(count):
        while not fresh[pick := int(np.argmax(bound))]:
            stale = np.flatnonzero(~fresh)
            if len(stale) > BLOCK:
                stale = stale[np.argpartition(-bound[stale], BLOCK)[:BLOCK]]
            update(stale)
            fresh[stale] = True
        picks[i], gains[i] = pick, bound[pick]
        covered = np.maximum(covered, similarity(candidates[pick : pick + 1])[0])
        bound[pick] = -np.inf
        fresh = np.isneginf(bound)  # picked ones need no gain
    return picks, gains
