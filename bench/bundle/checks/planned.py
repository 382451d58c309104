"""What a study says that it tests: a reader should know where it is not what every study tests by default."""

from __future__ import annotations

from collections.abc import Iterator

from alseg_core.vocabulary import BASELINE
from bench.bundle.checks.baseline import strategy_of
from bench.bundle.finding import Finding, note
from bench.bundle.opened import Bundle
from bench.report.runs.planned import primaries
from bench.study.primary import Primary

SINCE = "no file can show that this was so before the first run"
"""What a reader should know of every plan."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield notes on controls, which are in no family of tests, and on a primary comparison that is not the default."""
    for run in bundle.runs:
        if run.controls is not None:
            named = ", ".join(f"{name} ({side} {BASELINE})" for name, side in run.controls.wanted.items())
            yield note(f"controls, which do not count in the correction of tests, are {named}; {SINCE}")
        if run.primary not in (None, Primary()):
            yield note(f"the planned tests are of {run.primary.metric} against {run.primary.against}; {SINCE}")


def against_random(bundle: Bundle) -> Iterator[Finding]:
    """Yield settings whose planned tests are not against slices picked at random."""
    chosen, _ = primaries(bundle.settings)
    for setting, runs in bundle.settings.items():
        where, planned = "/".join(setting), chosen[setting]
        if planned is None:
            yield Finding(f"{where}: no test is planned, as no recipe is named {BASELINE} and none is declared")
            continue
        strategies = {strategy_of(run) for run in runs if run.recipe == planned.against and run.config is not None}
        if strategies != {BASELINE}:
            does = f"has the strategy {', '.join(sorted(map(str, strategies)))}" if strategies else "is no recipe of it"
            yield Finding(
                f"{where}: its planned tests are against {planned.against}, which {does}; strategy {BASELINE} is asked "
                "for"
            )
