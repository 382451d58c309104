"""In which order runs start, and how long they take together."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

SLOWER = 1.05
"""How much longer than the shortest order a study may take, so that its comparisons finish one after another."""


def wall(durations: Sequence[float], places: int) -> float:
    """Return the seconds that runs take together if ``places`` execute at the same time, the longest first."""
    return in_turn(sorted(durations, reverse=True), places)


def in_turn(durations: Iterable[float], places: int) -> float:
    """Return the seconds that runs take together if they start in this order, ``places`` at the same time."""
    ends = [0.0] * places
    for seconds in durations:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def starting_order(left: Mapping[str, float], seeds: Mapping[str, int], last: set[str], places: int) -> list[str]:
    """Return the keys of runs in the order in which they should start.

    All runs of one seed come before those of the next, so that a study that is cut short has compared its recipes on
    some seeds. Where that takes too much longer, because one run would still be running alone at the end, the runs of
    the last seeds are mixed, as many seeds as needed, and the longest of them come first.

    Args:
        left: seconds left of each run, by its key.
        seeds: seed of each run, by its key.
        last: runs that come last within their seed, because they wait for something that another run makes.
        places: number of runs that execute at the same time.
    """
    longest = sorted(left, key=lambda key: -left[key])
    known = sorted({seeds[key] for key in left})
    place = {seed: number for number, seed in enumerate(known)}
    shortest = in_turn((left[key] for key in longest), places)
    for mixed in (0, *(2**power for power in range(len(known).bit_length()))):
        apart = len(known) - mixed
        order = sorted(
            longest,
            key=lambda key: (min(place[seeds[key]], apart), place[seeds[key]] < apart and key in last),
        )
        if in_turn((left[key] for key in order), places) <= SLOWER * shortest:
            return order
    return longest
