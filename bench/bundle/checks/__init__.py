"""What is checked in a bundle, one idea a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.bundle.checks import (
    baseline,
    complete,
    copies,
    draws,
    identity,
    labels,
    made,
    picks,
    pixels,
    planned,
    recomputed,
    scores,
    settings,
    shared,
    split,
    steps,
    strict,
    surfaces,
    times,
    tuning,
)
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle

Check = Callable[[Bundle], Iterator[Finding]]
"""A check yields what it finds, nothing if all is well."""

CHECKS: dict[str, Check] = {
    "runs are who they say": identity.check,
    "settings of alseg": settings.check,
    "every seed, recipe and budget": complete.check,
    "one split, test patients apart": split.check,
    "generated data made again": made.check,
    "picks": picks.check,
    "random picks drawn again": draws.check,
    "runs of a seed share what they must": shared.check,
    "means from volumes": scores.check,
    "distances of surfaces": surfaces.check,
    "networks trained as planned": steps.check,
    "no copied scores": copies.check,
    "table and facts made again": recomputed.check,
    "labels and who read them": labels.check,
    "labelled pixels": pixels.check,
    "random at the same settings": baseline.check,
    "what is tested": planned.check,
    "times": times.check,
    "what tuning looked at": tuning.check,
}
"""Name -> check, in the order of reading."""
STRICT: dict[str, Check] = {
    "strict: settings that load": settings.known,
    "strict: fingerprints made again": identity.known,
    "strict: committed code": strict.committed,
    "strict: seeds": strict.seeds,
    "strict: tested against random": planned.against_random,
    "strict: no failed runs": strict.failures,
    "strict: scored on test volumes": strict.test_volumes,
    "strict: tuning declared": strict.declared,
}
"""Further checks of ``--strict``."""
