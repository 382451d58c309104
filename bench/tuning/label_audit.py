"""Which labels the runs of a tuning have read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from alseg_core.results import RunFolder


@dataclass(frozen=True)
class LabelAudit:
    """Labels that the runs have read, by their ledgers and records."""

    slices: Counter[tuple[str, str]]
    """(who, what) -> slices whose labels were read."""
    scored: frozenset[str]
    """Cases with a score."""
    bought: frozenset[str]
    """Cases with an annotated slice."""
    runs: int
    """Number of runs."""
    sealed: int
    """Number of runs whose vault refuses the labels of test volumes."""

    @classmethod
    def of(cls, folder: Path) -> LabelAudit:
        """Audit all runs below the folder of a tuning, including those of the full loop."""
        found = [run for path in sorted(folder.glob("trials/*/runs/*")) if (run := RunFolder(path)).identity()]
        records = [record for run in found for record in run.records()]
        slices: Counter[tuple[str, str]] = Counter()
        for entry in (entry for record in records for entry in record.ledger):
            slices[str(entry["who"]), str(entry["what"])] += int(str(entry["slices"]))
        return cls(
            slices,
            frozenset(str(row["case"]) for record in records for row in record.volumes),
            frozenset(str(pick["case"]) for record in records for pick in record.selected),
            len(found),
            sum(run.config()["evaluate"]["part"] == "val" for run in found),
        )

    def sentence(self, test: Collection[str]) -> str:
        """Return in two sentences how many of the split's test volumes were scored or annotated."""
        scored, bought = (len(cases & set(test)) for cases in (self.scored, self.bought))
        return (
            f"{scored} of the split's {len(test)} test volumes were scored and {bought} annotated by any of the "
            f"{self.runs} runs, which scored {len(self.scored)} volumes and annotated {len(self.bought)}. "
            f"{self.sealed} of the {self.runs} runs had a vault that refuses the labels of test volumes."
        )
