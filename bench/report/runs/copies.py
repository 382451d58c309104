"""Which runs may be compared where scans may be copies: studies of several machines, in a diff or on a leaderboard."""

from __future__ import annotations

import dataclasses
from typing import Any

from bench.report.runs.compatibility import Signature
from bench.report.runs.provenance import own_splits
from bench.report.runs.run import Run


def apart(ours: Run, theirs: Run) -> str | None:
    """Return why two runs of one setting must not be compared.

    The key of scans depends on the bytes of their files, which compressing them again changes, and in bundles of
    earlier versions on their dates: it alone is no reason where both runs record volumes and slices and agree on them.
    """
    signatures = (Signature.of(dataclasses.replace(run, data_key=None)) for run in (ours, theirs))
    return next(signatures).apart(next(signatures)) or _other_data(ours, theirs)


def _other_data(ours: Run, theirs: Run) -> str | None:
    one_split = ours.seed == theirs.seed or not own_splits([ours, theirs])
    known = [run.environment.get("data", {}) for run in (ours, theirs)]
    recorded = all("cases" in data and "slices" in data for data in known)
    if recorded and one_split:
        if known[0]["cases"] != known[1]["cases"]:
            return "another split, or other scans: their volumes differ"
        if known[0]["slices"] != known[1]["slices"]:
            return "other scans: their numbers of slices differ"
    generated = _root(ours) is None and _root(theirs) is None
    if ours.data_key != theirs.data_key and (generated or not recorded):
        return "other data: their keys differ"
    return None


def _root(run: Run) -> Any:
    return (run.config or {}).get("dataset", {}).get("root")
