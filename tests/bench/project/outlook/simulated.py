"""Learning curves whose course is known, of families that are mostly not the one that forecasts fit."""

from __future__ import annotations

import numpy as np

from bench.project.outlook import Point
from tests.bench.project.outlook.decisions import Course

BATCH = 20
"""Slices of a round."""
NOISES = (0.004, 0.008, 0.015, 0.025)
"""Standard deviations of a measured score, which the curves have in turn."""


def simulated(count: int, rng: np.random.Generator, rounds: int = 12) -> list[Course]:
    """Draw curves: exponential ones, power laws and S-shaped ones (Hill) in turn.

    They begin at a Dice of 0.3 to 0.7 and rise by at least 0.08 to 0.72 or more.
    """
    number = np.arange(1, rounds + 1, dtype=np.float64)
    found = []
    for place in range(count):
        start = rng.uniform(0.3, 0.7)
        top = max(rng.uniform(0.72, 0.92), start + 0.08)
        if place % 3 == 0:
            way = 1 - np.exp(-(number - 1) / rng.uniform(0.7, 5))
        elif place % 3 == 1:
            delay = rng.uniform(0, 2)
            way = 1 - ((number + delay) / (1 + delay)) ** -rng.uniform(0.4, 2)
        else:
            half, steepness = rng.uniform(1, 5), rng.uniform(1, 2.5)
            risen = number**steepness / (number**steepness + half**steepness)
            way = (risen - risen[0]) / (1 - risen[0])
        expected = start + (top - start) * way
        measured = np.clip(expected + rng.normal(0, NOISES[place // 3 % 4], rounds), 0, 1)
        points = [Point(BATCH * n, float(score)) for n, score in zip(number, measured, strict=True)]
        found.append(Course(points, expected))
    return found
