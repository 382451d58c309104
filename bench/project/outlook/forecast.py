"""What another round of annotation would bring, and whether it is worth the work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alseg_core.errors import ConfigError, DataError
from bench.project.outlook.curve import PRIOR, Posterior, Prior, posterior

LEVEL = 0.8
"""Level of the interval."""
SURE = 0.6
"""Probability from which on the advice is to go on, or to stop. This and the numbers of scores below were chosen
on simulated curves, by what following the advice costs (README of this folder)."""
LEAST = 3
"""Fewest scores from which the advice may be to go on."""
LEAST_STOP = 4
"""Fewest scores from which it may be to stop: a curve that rises late looks level at first."""
POOR = 0.1
"""Dice below which the last of two or more scores is no matter of more slices: as a rule, a network that has learnt
anything scores more. The advice is then to look for what is wrong."""

Advice = Literal["go on", "stop", "too early to tell", "find the fault"]


@dataclass(frozen=True)
class Point:
    """A finished round."""

    slices: float
    """Labelled slices after it, all rounds together; or what they cost, in the unit of the next batch."""
    score: float | None
    """Mean Dice, 0..1; None if it was not measured."""
    patients: Mapping[str, float] | None = None
    """Patient -> mean Dice, 0..1, of those that the score is the mean of. They tell how much it varies by chance."""
    minutes: float | None = None
    """Time that its slices took to annotate; None if not known."""


@dataclass(frozen=True)
class Outlook:
    """The next round, as far as the rounds before tell."""

    batch: float
    """Slices that it adds."""
    slices: float
    """Labelled slices today."""
    last: float | None
    """Score of the last round that has one."""
    score: float | None
    """Mean of the next measured score, never outside its interval; None if there are not two scores to go by."""
    interval: tuple[float, float] | None
    """Its 80 % interval, which the noise of the measurement is part of."""
    gain: float | None
    """Gain expected of the labels: how much the curve through all scores rises. Where the last score lies off the
    curve, the change that is measured has another mean, ``score - last``."""
    gain_interval: tuple[float, float] | None
    """80 % interval of the next score less the last one, as they are measured."""
    threshold: float
    """Smallest gain that is worth a round to the user."""
    chance: float | None
    """Probability that the networks themselves, measured without noise, become better by at least that."""
    advice: Advice
    """What to do: "find the fault" if ``last`` is below POOR; else "go on" if ``chance`` is at least SURE and there
    are LEAST scores, "stop" if it is at most 1 - SURE and there are LEAST_STOP."""
    minutes: float | None
    """Work of the next round; None if no time is known."""
    text: str
    """All this in plain words."""


def outlook(
    points: Sequence[Point], batch: float, threshold: float = 0.01, minutes: float | None = None, prior: Prior = PRIOR
) -> Outlook:
    """Forecast the round after the given ones. Equal input gives equal numbers.

    Args:
        points: the rounds so far, in their order.
        batch: slices that the next round adds, more than 0.
        threshold: smallest gain of Dice a round that is worth the work to the user, in (0, 1).
        minutes: work of the next round; None = as long for a slice as in the rounds that know their time.
        prior: what is known of learning curves before.

    Raises DataError for scores outside [0, 1] or numbers of slices that are not positive or fall; ConfigError for a
    batch or a threshold out of range.
    """
    _check(points, batch, threshold)
    work = _work(points, batch) if minutes is None else minutes
    now = points[-1].slices if points else 0.0
    measured = [point for point in points if point.score is not None]
    last = measured[-1].score if measured else None
    if len(measured) < 2:
        text = f"{_today(last, now)} Nothing can be said about {batch:g} more before two rounds have a score."
        return Outlook(
            batch, now, last, None, None, None, None, threshold, None, "too early to tell", work, text + _effort(work)
        )
    amounts, scores = (
        np.array([getattr(point, name) for point in measured], dtype=np.float64) for name in ("slices", "score")
    )
    forecast = posterior(amounts, scores, now, now + batch, noise_of(measured), prior)
    low, high = (forecast.quantile((1 - LEVEL) / 2), forecast.quantile((1 + LEVEL) / 2))
    score = min(max(forecast.score, low), high)  # a long thin tail could draw the mean out of it
    before, chance = float(scores[-1]), forecast.chance(threshold)
    found = Outlook(
        batch=batch,
        slices=now,
        last=before,
        score=score,
        interval=(low, high),
        gain=forecast.rise,
        gain_interval=(low - before, high - before),
        threshold=threshold,
        chance=chance,
        advice=_advice(forecast, len(measured), before, threshold),
        minutes=work,
        text="",
    )
    return Outlook(**{**vars(found), "text": _words(found, len(measured))})


def noise_of(points: Sequence[Point]) -> float | None:
    """Return the standard error of a score that the patients' scores tell, or None where too few of them are known.

    Between two rounds it is the error of the mean change of the patients that both have, over the square root of 2;
    patients of one round alone add the error of their own mean. It is a lower bound: what luck the training had is
    common to all patients and does not show here.
    """
    known = [dict(point.patients) for point in points if point.patients]
    variances = [variance for pair in itertools.pairwise(known) if (variance := _variance_of_change(*pair)) is not None]
    return math.sqrt(float(np.mean(variances)) / 2) or None if variances else None


def _variance_of_change(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """Return the squared standard error of the difference of two rounds' means; None with less than 3 patients."""
    both = [name for name in before if name in after]
    if len(both) < 3:
        return None
    # mean(after) - mean(before) is a sum over patients of weights times scores, each patient being independent
    changes = [after[name] / len(after) - before[name] / len(before) for name in both]
    variance = len(both) * float(np.var(changes, ddof=1))
    for scores, others in ((before, after), (after, before)):
        alone = [name for name in scores if name not in others]
        if alone:
            variance += len(alone) * float(np.var(list(scores.values()), ddof=1)) / len(scores) ** 2
    return variance


def _check(points: Sequence[Point], batch: float, threshold: float) -> None:
    if not (math.isfinite(batch) and batch > 0):
        raise ConfigError(f"outlook: a batch of more than 0 slices was wanted, got {batch:g}.")
    if not 0 < threshold < 1:
        raise ConfigError(f"outlook: a threshold between 0 and 1 was wanted (a gain of Dice), got {threshold:g}.")
    for number, point in enumerate(points, start=1):
        if point.score is not None and not 0 <= point.score <= 1:
            raise DataError(f"outlook: round {number} has the score {point.score:g}; a Dice from 0 to 1 was wanted.")
        if not (math.isfinite(point.slices) and point.slices > 0):
            raise DataError(f"outlook: round {number} has {point.slices:g} slices; a number above 0 was wanted.")
    for number, (before, after) in enumerate(itertools.pairwise(points), start=2):
        if after.slices < before.slices:
            raise DataError(
                f"outlook: round {number} has {after.slices:g} slices after {before.slices:g}; the labelled slices of "
                "all rounds together never become fewer. Are the rounds in their order?"
            )


def _work(points: Sequence[Point], batch: float) -> float | None:
    """Return the minutes of a batch, as long for a slice as in all rounds that know their time."""
    before, minutes, slices = 0.0, 0.0, 0.0
    for point in points:
        if point.minutes is not None:
            minutes, slices = minutes + point.minutes, slices + point.slices - before
        before = point.slices
    return batch * minutes / slices if slices > 0 else None


def _advice(forecast: Posterior, rounds: int, last: float, threshold: float) -> Advice:
    if last < POOR:
        return "find the fault"
    chance = forecast.chance(threshold)
    if rounds >= LEAST and chance >= SURE:
        return "go on"
    if rounds >= LEAST_STOP and chance <= 1 - SURE:
        return "stop"
    return "too early to tell"


def _words(found: Outlook, rounds: int) -> str:
    assert found.gain is not None and found.gain_interval is not None and found.chance is not None
    assert found.score is not None and found.last is not None
    if found.advice == "find the fault":
        return (
            f"{_today(found.last, found.slices)} After {rounds} rounds, a score below {POOR:g} means that something is "
            "wrong, which more slices will hardly mend. Look at the classes and the label values of the returned "
            "files, at whether the annotated slices show any structure, and at whether the training is too short."
        )
    low, high = found.gain_interval
    text = (
        f"{_today(found.last, found.slices)} {found.batch:g} more are expected to change the measured Dice by "
        f"{_signed(found.score - found.last)} (80 % interval {_signed(low)} to {_signed(high)})"
        f"{_effort(found.minutes, ', ')}"
    )
    odds = (
        f"apart from the noise of single scores, the expected gain is {_signed(found.gain)}, and the odds of at least "
        f"{found.threshold:g} are {round(100 * found.chance)} %"
    )
    if found.advice == "go on":
        return f"{text} Go on: {odds}."
    if found.advice == "stop":
        return f"{text} Stop, unless that is worth it to you: {odds}."
    if rounds < LEAST:
        return f"{text} Two scores tell little: this is mostly what other projects saw. Too early to tell."
    few = ", from so few scores" if rounds < LEAST_STOP else ""
    return f"{text} Too early to tell{few}: {odds}."


def _today(last: float | None, slices: float) -> str:
    if last is None:
        return "No round has a score yet."
    return f"Dice {last:.2f} with {slices:g} slices."


def _effort(minutes: float | None, before: str = " They are ") -> str:
    if minutes is None:
        return "." if before == ", " else ""
    many = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
    return f"{before}about {many} of work."


def _signed(value: float) -> str:
    return f"{value:+.2f}" if round(value, 2) else "0.00"
