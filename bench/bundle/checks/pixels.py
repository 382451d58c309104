"""Labelled pixels fit the slices that were bought: all of each where masks are drawn, at most all otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from alseg_core.oracles.mask import Mask
from alseg_core.vocabulary import RoundRecord
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield rounds with more or fewer labelled pixels than their slices have, or fewer than the round before."""
    for run in bundle.started:
        loaded = bundle.loaded[run.key]
        if loaded.dataset is None:
            continue
        area = loaded.dataset.prepare.size**2
        before: RoundRecord | None = None
        for record in run.records:
            if text := _bought(record, before, area, isinstance(loaded.annotation, Mask)):
                yield Finding(f"{label(run)}, round {record.round + 1}: {text}")
            before = record


def _bought(record: RoundRecord, before: RoundRecord | None, area: int, whole: bool) -> str | None:
    """Return what is wrong with the pixels of a round; None if nothing is, or if they are not recorded.

    area: pixels of a slice. whole: whether each gets a label.
    """
    if record.marked is None or record.foreground is None:
        return None
    marked, foreground = record.marked, record.foreground
    if before is not None and before.marked is not None and before.foreground is not None:
        marked, foreground = marked - before.marked, foreground - before.foreground
    elif before is not None:
        return None
    most = len(record.selected) * area
    if whole and marked != most:
        return f"{marked} pixels were labelled, and masks of its slices have {most}"
    if not 0 <= foreground <= marked <= most:
        return f"{marked} pixels were labelled, {foreground} of them foreground, and its slices have {most}"
    return None
