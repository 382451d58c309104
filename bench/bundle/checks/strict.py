"""What a leaderboard asks for beyond results that are consistent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.bundle.facts import DIRTY
from bench.bundle.finding import Finding
from bench.bundle.manifest import WAYS
from bench.bundle.opened import Bundle, label
from bench.report.runs.provenance import makers, scored_on

SEEDS = 3
"""Fewest seeds of a setting."""
HASH = re.compile(r"[0-9a-f]{7,40}")
"""Name of a commit of git, shortened or not."""


def committed(bundle: Bundle) -> Iterator[Finding]:
    """Yield runs whose code is in no commit, by what they say; whether it was run cannot be known."""
    for run in bundle.started:
        for maker in makers(run):
            commit = maker.get("commit")
            if commit is None:
                yield Finding(f"{label(run)}: the commit of its code is not recorded; run it from a git checkout")
            elif commit.endswith(DIRTY):
                yield Finding(f"{label(run)} was made with uncommitted changes of {commit.removesuffix(DIRTY)}")
            elif not HASH.fullmatch(commit):
                yield Finding(f"{label(run)}: the commit of its code is {commit!r}, and 7 to 40 hex digits are wanted")


def seeds(bundle: Bundle) -> Iterator[Finding]:
    """Yield settings with few seeds, or with seeds that may have been chosen by their results."""
    for (dataset, annotation, schedule), runs in bundle.settings.items():
        known = sorted({run.seed for run in runs})
        where = f"{dataset}/{annotation}/{schedule}"
        if len(known) < SEEDS:
            yield Finding(f"{where} has {len(known)} seeds, and at least {SEEDS} are asked for")
        if known != list(range(len(known))):
            yield Finding(
                f"{where} has seeds {', '.join(map(str, known))}; 0 to {len(known) - 1} are asked for, so that "
                "none was chosen"
            )


def failures(bundle: Bundle) -> Iterator[Finding]:
    """Yield runs that failed."""
    for run in bundle.runs:
        if run.state == "failed":
            yield Finding(f"{label(run)} failed: {run.failure}")


def test_volumes(bundle: Bundle) -> Iterator[Finding]:
    """Yield settings that are scored on other volumes than those of the test."""
    for (dataset, annotation, schedule), runs in bundle.settings.items():
        if (part := scored_on(runs)) != "test":
            yield Finding(f"{dataset}/{annotation}/{schedule} is scored on {part} volumes: that is no test result")


def declared(bundle: Bundle) -> Iterator[Finding]:
    """Yield that nothing is said about tuning."""
    if not bundle.manifest.declared:
        yield Finding(f"nothing is said about tuning: pack with {WAYS}")
