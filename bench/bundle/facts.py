"""What follows from the runs of a bundle: packed with it, and made again to check it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alseg_core.store import digest
from bench.bundle.private import CASE, pseudonym
from bench.report.runs.provenance import by_setting, makers
from bench.report.runs.results import Results, collect
from bench.report.runs.run import Run
from bench.report.tables import comparison

TOLERANCE = 1e-9
"""Largest relative difference of two numbers that count as equal; sums may be taken in another order."""
DIRTY = "-dirty"
"""End of a commit with uncommitted changes."""


def facts(folder: Path, runs: Sequence[Run]) -> dict[str, Any]:
    """Return what follows from the runs of a study's folder, as plain data.

    table: rows of ``comparison.csv``. made_by: code and machines; uncommitted: whether files were changed. weights:
    what networks and encoders started from. failed: run -> reason. unfinished: runs. data: key and split of each
    dataset, by seed where seeds differ. labels: who read which labels, over all runs.
    """
    results = collect(folder)
    makers_ = _distinct(maker for run in runs for maker in makers(run))
    return {
        "table": _table(results),
        "made_by": makers_,
        "uncommitted": any(str(maker.get("commit")).endswith(DIRTY) for maker in makers_),
        "weights": _weights(runs),
        "failed": {run.key: run.failure for run in runs if run.state == "failed"},
        "unfinished": [run.key for run in runs if run.state == "unfinished"],
        "data": _data(runs),
        "labels": _labels(runs),
    }


def difference(told: Any, found: Any, place: str = "") -> str | None:
    """Return the first place where what a bundle tells is not what was found, with both; None if there is none."""
    if isinstance(told, Mapping) and isinstance(found, Mapping):
        return _first(difference(told.get(key), found.get(key), f"{place}.{key}") for key in {**told, **found})
    if isinstance(told, list) and isinstance(found, list):
        if len(told) != len(found):
            return f"{place[1:]} has {len(told)} entries, found are {len(found)}"
        return _first(difference(*pair, f"{place}.{i}") for i, pair in enumerate(zip(told, found, strict=True)))
    if isinstance(told, float | int) and isinstance(found, float | int) and not isinstance(told, bool):
        same = math.isclose(told, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    else:
        same = told == found and type(told) is type(found)
    return None if same else f"{place[1:]} is {told!r}, found is {found!r}"


def _first(found: Iterator[str | None]) -> str | None:
    return next((text for text in found if text is not None), None)


def _distinct(values: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    found.extend(value for value in values if value not in found)
    return found


def _table(results: Results) -> list[dict[str, Any]]:
    rows = comparison(results).to_dict("records")
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """Return a cell of a table as plain data, None for NaN."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _weights(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Return what the networks and encoders of each recipe started from, as the runs recorded it."""
    return _distinct(
        {"recipe": run.recipe, "part": part, "start": str(record.signals[signal])}
        for run in runs
        for record in run.records
        for part, signal in (("network", "network"), ("encoder", "init"))
        if signal in record.signals
    )


def _data(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return data key and hashes of the split for every (dataset, seed); of seeds that agree, one entry."""
    found: list[dict[str, Any]] = []
    for run in runs:
        cases = run.environment.get("data", {}).get("cases", {})
        known = {
            "dataset": run.setting[0],
            "data_key": run.data_key,
            "cases": {part: len(names) for part, names in cases.items()},
            "split": {part: digest([pseudonym(name, CASE) for name in names]) for part, names in cases.items()},
        }
        if run.records:
            same = next((entry for entry in found if {**entry, "seeds": None} == {**known, "seeds": None}), None)
            if same is None:
                found.append({**known, "seeds": [run.seed]})
            elif run.seed not in same["seeds"]:
                same["seeds"].append(run.seed)
    return found


def _labels(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return {"who", "what", "slices"} over all rounds, by setting."""
    found = []
    for setting, own in by_setting(runs).items():
        slices: dict[tuple[str, str], int] = {}
        for entry in (entry for run in own for record in run.records for entry in record.ledger):
            place = str(entry["who"]), str(entry["what"])
            slices[place] = slices.get(place, 0) + int(str(entry["slices"]))
        found += [
            {"setting": list(setting), "who": who, "what": what, "slices": count}
            for (who, what), count in slices.items()
        ]
    return found
