"""Picks are distinct slices of the pool that were not labelled before, as many as the budget says."""

from __future__ import annotations

from collections.abc import Iterator

from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield picks that no run can have made, and numbers of labelled slices that are not those of the budgets."""
    depth: dict[tuple[str, ...], dict[str, int]] = {}  # pool -> case -> slices that it has at least
    for run in bundle.started:
        cases = tuple(run.environment["data"]["cases"].get("train", ()))
        yield from _of_run(run, set(cases), depth.setdefault(cases, {}))
        if sum(depth[cases].values()) > (pool := run.environment["data"]["slices"]["train"]):
            yield Finding(f"{label(run)}: its picks need more slices than the {pool} of the pool")


def _of_run(run: Run, pool: set[str], depth: dict[str, int]) -> Iterator[Finding]:
    slices = run.environment["data"]["slices"]["train"]
    parts = run.environment["data"]["cases"]
    seen: dict[tuple[str, int], int] = {}
    for record in run.records:
        where, budget = f"{label(run)}, round {record.round + 1}", run.budgets[record.round]
        for pick in record.selected:
            case, z = str(pick["case"]), int(str(pick["z"]))
            if (case, z) in seen:
                before = seen[case, z]
                when = "twice in it" if before == record.round else f"in round {before + 1} already"
                yield Finding(f"{where}: slice {z} of {case} was picked {when}")
            if case not in pool:
                part = next((name for name, cases in parts.items() if case in cases), None)
                what = f"is of the {part} part" if part else "is not in the split"
                yield Finding(f"{where}: slice {z} of {case} was picked, which {what}")
            seen[case, z] = record.round
            depth[case] = max(depth.get(case, 0), z + 1)
        wanted = int(slices * budget) if isinstance(budget, float) else budget
        if record.labelled != wanted:
            yield Finding(f"{where}: {record.labelled} slices are labelled, and the budget {budget} is {wanted}")
        if len(seen) != record.labelled:
            yield Finding(f"{where}: {len(seen)} slices were picked so far, the record says {record.labelled}")
        if slices and abs(record.fraction - record.labelled / slices) > 1e-9:
            yield Finding(f"{where}: the share {record.fraction:.4f} is not {record.labelled} of {slices} slices")
