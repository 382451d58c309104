"""Tunings that are declared did not look at the volumes that the bundle is scored on."""

from __future__ import annotations

from collections.abc import Iterator

from bench.bundle.finding import Finding
from bench.bundle.manifest import Tuning
from bench.bundle.opened import Bundle
from bench.bundle.private import CASE, pseudonym

TEST = "test masks"
"""Labels that no tuning may read."""
TUNED = "_tuned_"
"""Part of the names of recipes that alseg tune writes."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield what a tuning must not have looked at, and tuned recipes whose tuning is not declared."""
    test = {
        pseudonym(case, CASE) for run in bundle.started for case in run.environment["data"]["cases"].get("test", ())
    }
    tuned = sorted({run.recipe for run in bundle.runs if TUNED in run.recipe})
    if tuned and bundle.manifest.tunings == []:
        yield Finding(f"{', '.join(tuned)} is a tuned recipe, and the bundle says that nothing was tuned")
    for tuning in bundle.manifest.tunings or ():
        yield from _looked(tuning, test)


def _looked(tuning: Tuning, test: set[str]) -> Iterator[Finding]:
    for what, cases in (("scored", tuning.scored), ("annotated", tuning.annotated)):
        if both := test & {pseudonym(case, CASE) for case in cases}:
            yield Finding(f"tuning {tuning.name} {what} {len(both)} of the volumes that the bundle is tested on")
    if read := sum(entry.slices for entry in tuning.read if entry.what == TEST):
        yield Finding(f"tuning {tuning.name} read the test masks of {read} slices")
    if tuning.sealed < tuning.runs:
        yield Finding(
            f"tuning {tuning.name}: {tuning.runs - tuning.sealed} of {tuning.runs} runs could read test labels"
        )
