"""What a bundle says of itself: when, with what code, from which weights, and after which tuning it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alseg_core.errors import plural
from alseg_core.visible import visible
from bench.bundle.manifest import WORDS, Manifest
from bench.bundle.opened import Bundle
from bench.report.analysis import Analysis
from bench.report.compared import score
from bench.report.header import header
from bench.report.runs.provenance import UNKNOWN
from bench.report.runs.results import Results
from bench.report.setting import enumerated, title
from bench.report.tables.main_table import each

MOST_NAMES = 20
"""Longest list of recipes."""
RANDOM = "random"
"""Beginning of what starts from random weights."""


def declared(bundle: Bundle, results: Results, analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield (label, text) of what a reader of the leaderboard wants to know of a bundle."""
    told = bundle.manifest.facts
    failed = f", {len(results.failed)} declared failed" if results.failed else ""
    yield "study", f"{visible(results.name, 200)}: {plural(len(bundle.runs), 'run')}{failed}"
    yield from header(results)
    yield "code", "; ".join(dict.fromkeys(_maker(maker) for maker in told["made_by"])) or UNKNOWN
    yield "planned tests", "; ".join(_planned(analysis)) or "none"
    yield "tuning", _tuning(bundle.manifest)
    yield "external weights", _weights(told["weights"])
    yield "names of cases", bundle.manifest.names
    yield "packed by", f"alseg {visible(bundle.manifest.alseg, 50)}"


def _maker(maker: Mapping[str, Any]) -> str:
    """Return what made some rounds, such as "alseg 0.1.0 at commit 1a2b, torch 2.13.0 on cpu"."""
    alseg, commit, torch, device = (
        UNKNOWN if maker.get(name) is None else visible(str(maker[name]), 100)
        for name in ("alseg", "commit", "torch", "device")
    )
    return f"alseg {alseg} at commit {commit}, torch {torch} on {device}"


def _planned(analysis: Analysis) -> Iterator[str]:
    """Yield the primary comparison of each setting, and the size of its family."""
    several = len(analysis.primary) > 1
    for row in each(analysis.primary):
        setting = (row.dataset, row.annotation, row.schedule)
        where = f"{title(setting)}: " if several else ""
        yield f"{where}{score(analysis, setting)} against {row.against}, a family of {plural(row.tests, 'test')}"


def _tuning(manifest: Manifest) -> str:
    """Return what is declared of tunings, and how settings were chosen otherwise, in the author's words."""
    told = [
        visible(f"{one.name}: {plural(one.trials, 'trial')} of {enumerated(one.recipes, MOST_NAMES)}", 500)
        for one in manifest.tunings or ()
    ]
    if manifest.tunings == []:
        told.append("none, as its author says")
    if manifest.by_hand is not None:
        told.append(f"by hand: {visible(manifest.by_hand, WORDS)}")
    return "; ".join(told) or "nothing is said about it"


def _weights(starts: Sequence[Mapping[str, str]]) -> str:
    """Return which networks and encoders start from published or given weights, as the runs recorded it."""
    found: dict[str, list[str]] = {}
    for entry in starts:
        if not entry["start"].startswith(RANDOM):
            found.setdefault(f"{entry['part']} from {entry['start']}", []).append(entry["recipe"])
    return "; ".join(visible(f"{what}: {enumerated(of, MOST_NAMES)}", 500) for what, of in found.items()) or "none"
