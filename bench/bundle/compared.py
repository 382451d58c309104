"""A round of a bundle beside the same round, made again with the same picks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from alseg_core.config import RunConfig
from alseg_core.embed.pixels import Pixels
from alseg_core.metrics.metric import ASSD, DICE, HD95, METRICS, NSD
from alseg_core.vocabulary import RoundRecord
from bench.bundle.checks.shared import MINUTE
from bench.bundle.finding import Finding, note

BOUGHT = ("cost", "marked", "foreground", "minutes", "validation_minutes")
"""What follows from the picks and the data alone, on every device."""
EXACT = 1e-9
"""Largest relative difference of such sums, which processors add up in another order."""
RADIUS = 1e-4
"""Largest relative difference of the cover radius in pixels, as devices compute it."""
FAR = {DICE.name: 0.05, NSD.name: 0.1, HD95.name: 5.0, ASSD.name: 2.0}
"""Metric -> difference of means that another processor with the same picks and version of torch does not explain.

Trainings on two processors differ by rounding, which grows; on ACDC, those of two seeds, which have other slices too,
differ by about 0.03 in Dice and NSD, 4 mm in HD95 and 1 mm in ASSD.
"""
SHARE = 0.3
"""Share of the larger one by which distances may differ, where that is more."""
ELSEWHERE = 4
"""How many times as much other software or another device explains, of Dice and NSD; distances are not judged then."""
SAME = 1e-6
"""Difference that is not told."""
EMPTY = ("empty_predictions", "empty_truths")
"""How many structures the means of distances leave out; only where they agree are these about the same structures."""


def compared(
    where: str, ours: RoundRecord, theirs: RoundRecord, config: RunConfig, other: Sequence[str], doubt: str = ""
) -> Iterator[Finding]:
    """Yield what differs: in one problem what nothing explains, in one note the rest.

    Args:
        where: how messages name the round.
        ours: the round as it was made again.
        theirs: the round of the bundle, with the same picks.
        config: configuration of the run.
        other: what software and device differ in.
        doubt: what is to be said of the data.
    """
    found = [*_bought(ours, theirs, config), *_scores(ours, theirs, bool(other))]
    wrong, small = ("; ".join(text for text, problem in found if problem is kind) for kind in (True, False))
    if wrong:
        excuse = f", which other software or another device ({', '.join(other)}) does not explain" if other else ""
        yield Finding(f"{where}: {wrong}{excuse}{doubt}")
    if small:
        yield note(f"{where}: {small}")


def _bought(ours: RoundRecord, theirs: RoundRecord, config: RunConfig) -> Iterator[tuple[str, bool]]:
    """Yield what differs of the labels that were bought, and whether it is a problem; older records lack some facts."""
    for fact in BOUGHT:
        told, made = getattr(theirs, fact), getattr(ours, fact)
        if told is None or (fact == "minutes" and config.minutes.prefill and ours.round):
            continue  # a network of the round before has drawn part of it
        slack = MINUTE if fact.endswith("minutes") else 0.0
        if made is None or not math.isclose(told, made, rel_tol=EXACT, abs_tol=slack):
            yield f"{fact} is {told:.10g}, the replay gives {_shown(made, '.10g')}", True
    told, made = theirs.cover_radius, ours.cover_radius
    if not math.isclose(told, made, rel_tol=RADIUS, abs_tol=RADIUS):
        yield f"cover_radius is {told:.6g}, the replay gives {made:.6g}", isinstance(config.cover, Pixels)


def _scores(ours: RoundRecord, theirs: RoundRecord, elsewhere: bool) -> Iterator[tuple[str, bool]]:
    """Yield which means differ, and whether it is a problem."""
    alike = all(theirs.summary.get(name) == ours.summary.get(name) for name in EMPTY)
    for name, far in FAR.items():
        told, made, title = theirs.summary.get(name), ours.summary.get(name), METRICS[name].title
        distance = name in (HD95.name, ASSD.name)
        judged = not distance or (alike and not elsewhere)
        if told is None or made is None:
            if told != made:
                yield f"{title} is {_shown(told)}, the replay gives {_shown(made)}", judged
            continue
        apart = abs(told - made)
        most = max(far, SHARE * max(told, made)) if distance else far * (ELSEWHERE if elsewhere else 1)
        if apart > SAME:
            yield f"{title} is {_shown(told)}, the replay gives {_shown(made)}", judged and apart > most


def _shown(value: float | None, form: str = ".4f") -> str:
    return "undefined" if value is None else f"{value:{form}}"
