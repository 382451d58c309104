"""Slices that several annotators gave: one where they agree, none where they differ, unless somebody was chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

import numpy as np

from alseg_core.metrics.overlap import dice_scores
from alseg_core.oracles.returned import Given
from alseg_core.vocabulary import IGNORE, LabelArray
from bench.project.manifest import Manifest
from bench.project.returns.marks import counted, numbers


@dataclass(frozen=True, eq=False)
class Candidate:
    """A slice as one annotator gave it."""

    given: Given
    edited: bool
    """Whether it is not as it was handed out."""
    named: bool
    """Whether this annotator is said, by name, to have done it."""


def agreed(
    candidates: Sequence[Candidate], manifest: Manifest, annotator: str | None
) -> tuple[list[Given], list[str], list[str]]:
    """Return one version of each slice, the problems, and notes.

    Where a mark names nobody, who left a slice as it was handed out gives way to who drew on it.
    """
    slices: dict[tuple[str, int], list[Candidate]] = {}
    for candidate in candidates:
        slices.setdefault((candidate.given.case, candidate.given.z), []).append(candidate)
    taken: list[Given] = []
    differ: dict[tuple[str, str], list[tuple[int, float]]] = {}
    chosen: dict[str, list[int]] = {}
    for (case, z), all_ in sorted(slices.items()):
        versions = [one.given for one in all_ if one.edited or one.named] or [one.given for one in all_]
        if all(np.array_equal(versions[0].labels, other.labels) for other in versions[1:]):
            taken.append(_joined(versions))
            continue
        theirs = [one for one in versions if annotator is not None and annotator.casefold() == one.annotator.casefold()]
        if theirs:
            taken.append(theirs[0])
            chosen.setdefault(case, []).append(z)
        else:
            names = " and ".join(_name(one) for one in versions)
            pairs = combinations([one.labels for one in versions], 2)
            agreement = min(overlap(first, second, len(manifest.classes)) for first, second in pairs)
            differ.setdefault((case, names), []).append((z, agreement))
    problems = [_difference(manifest, case, names, found) for (case, names), found in differ.items()]
    where = "; ".join(f"{case} {numbers(manifest, case, found)}" for case, found in chosen.items())
    return taken, problems, [f"annotators differ, and that of {annotator} is taken: {where}"] if where else []


def overlap(first: LabelArray, second: LabelArray, classes: int) -> float:
    """Return the mean Dice of the foreground classes that one of two slices has, 1 if neither has any.

    Pixels that one of them does not mark are left out; without a pixel that both mark it is NaN.
    """
    both = (first != IGNORE) & (second != IGNORE)
    if not both.any():
        return math.nan
    scores = [score for score in dice_scores(first[both], second[both], classes) if not math.isnan(score)]
    return fmean(scores) if scores else 1.0


def _joined(versions: Sequence[Given]) -> Given:
    if len(versions) == 1:
        return versions[0]
    minutes = [one.minutes for one in versions if one.minutes is not None]
    return replace(
        versions[0],
        annotator="+".join(dict.fromkeys(filter(None, (one.annotator for one in versions)))),
        minutes=fmean(minutes) if minutes else None,
    )


def _name(given: Given) -> str:
    return given.annotator or given.source


def _difference(manifest: Manifest, case: str, names: str, found: Sequence[tuple[int, float]]) -> str:
    scores = [
        f"{numbers(manifest, case, [z])}: {'nothing marked by both' if math.isnan(score) else f'Dice {score:.2f}'}"
        for z, score in found
    ]
    return (
        f"{case}, {counted(manifest, case, [z for z, _ in found])}: {names} differ ({', '.join(scores)}); neither is "
        "taken. Let them agree, or choose one with --annotator NAME."
    )
