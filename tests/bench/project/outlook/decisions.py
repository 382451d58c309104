"""What following an advice would have cost on curves whose course is known, beside simple rules.

A round is worth its work where the expected score rises by the user's threshold. The expected scores of a finished run
come from other seeds of the same recipe, so that the luck of the run itself is not part of them: their mean, made a
curve that rises ever less (:func:`concave`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from bench.project.outlook import Advice, Point, outlook

Array = NDArray[np.float64]
Rule = Callable[[Sequence[Point], float, float], Advice]
"""(rounds so far, slices of the next batch, threshold) -> what to do."""

FIRST = 2
"""Rounds from which on decisions are asked for."""


def advised(points: Sequence[Point], batch: float, threshold: float) -> Advice:
    """Return what ``alseg project status`` says."""
    return outlook(points, batch, threshold).advice


def last_gain(points: Sequence[Point], batch: float, threshold: float) -> Advice:
    """Stop when the last round gained less than the threshold."""
    return "stop" if _gain(points, 1) < threshold else "go on"


def last_two_gains(points: Sequence[Point], batch: float, threshold: float) -> Advice:
    """Stop when the last two rounds gained less than the threshold each, on average."""
    return "stop" if len(points) > 2 and _gain(points, 2) < threshold else "go on"


def never(points: Sequence[Point], batch: float, threshold: float) -> Advice:
    """Annotate on and on."""
    return "go on"


def _gain(points: Sequence[Point], rounds: int) -> float:
    now, before = points[-1].score, points[-1 - rounds].score
    assert now is not None and before is not None
    return (now - before) / rounds


RULES: Mapping[str, Rule] = {
    "advice": advised,
    "last gain": last_gain,
    "mean of the last two gains": last_two_gains,
    "never stop": never,
}


@dataclass(frozen=True, eq=False)
class Course:
    """A run with what was to be expected of it."""

    points: Sequence[Point]
    expected: Array
    """(rounds,) expected score of each round."""


@dataclass(frozen=True)
class Call:
    """One advice, and what the next round then brought."""

    advice: Advice
    measured: bool
    """Whether the measured score rose by the threshold."""
    expected: bool
    """Whether the expected score did."""


@dataclass(frozen=True)
class End:
    """Where a run ends that follows a rule until its first "stop"; all else is taken for "go on"."""

    lost: float
    """Dice that the rounds up to the best end would have brought, where the rule stops before it."""
    needless: float
    """Slices that it buys after the best end."""
    regret: float
    """What it falls short of the best end, a round being worth the threshold: Dice."""


def calls(course: Course, rule: Rule, threshold: float) -> list[Call]:
    """Return the advice after each round but the last, from the second on."""
    points, found = course.points, []
    for rounds in range(FIRST, len(points)):
        advice = rule(points[:rounds], points[rounds].slices - points[rounds - 1].slices, threshold)
        measured = _gain(points[: rounds + 1], 1) >= threshold
        found.append(Call(advice, measured, bool(course.expected[rounds] - course.expected[rounds - 1] >= threshold)))
    return found


def end(course: Course, found: Sequence[Call], threshold: float) -> End:
    """Return where the advice ends a run, beside the end that the expected scores make the best."""
    advice = [call.advice for call in found]
    rounds = FIRST + advice.index("stop") if "stop" in advice else len(course.points)
    value = course.expected - threshold * np.arange(len(course.points))
    best = FIRST + int(np.argmax(value[FIRST - 1 :]))
    return End(
        lost=max(0.0, float(course.expected[best - 1] - course.expected[rounds - 1])) if rounds < best else 0.0,
        needless=max(0.0, course.points[rounds - 1].slices - course.points[best - 1].slices),
        regret=float(value[best - 1] - value[rounds - 1]),
    )


def courses(groups: Iterable[Sequence[Sequence[Point]]]) -> list[Course]:
    """Return every run with the scores expected by the other runs of its group, such as those of other seeds.

    groups: runs at the same slices; groups of a single run are left out.
    """
    found = []
    for members in groups:
        for number, run in enumerate(members):
            others = [other for place, other in enumerate(members) if place != number]
            if others:
                amounts = np.array([point.slices for point in run])
                scores = np.array([[point.score for point in other] for other in others], dtype=np.float64)
                found.append(Course(run, concave(amounts, np.asarray(scores.mean(axis=0)))))
    return found


def concave(amounts: Array, scores: Array) -> Array:
    """Return the least-squares curve through scores that never falls, and rises ever less.

    amounts: (r,) slices, rising. scores: (r,). It is a constant plus a sum of weights >= 0 times min(n, n_j).
    """
    rises = np.minimum(amounts[:, None], amounts[None, 1:]) - amounts[0]
    basis = np.column_stack([np.ones(len(amounts)), -np.ones(len(amounts)), rises / (amounts[-1] - amounts[0])])
    return np.asarray(basis @ nnls(basis, scores)[0])
