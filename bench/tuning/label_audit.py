"""Whose labels the runs of a tuning have read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from alseg_core.results import RunFolder


@dataclass(frozen=True)
class Reading:
    """What the run folders say of labels.

    slices: (who, what) -> slices that were read. scored, bought: cases with a score, cases with an annotated slice.
    runs: how many there are; sealed: those of them whose vault refuses the labels of test volumes.
    """

    slices: Counter[tuple[str, str]]
    scored: frozenset[str]
    bought: frozenset[str]
    runs: int
    sealed: int

    @classmethod
    def of(cls, folder: Path) -> Reading:
        """All runs below the tuning's folder, those of the full loop among them."""
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

    def told(self, test: Collection[str]) -> str:
        """What became of the split's test volumes, in a sentence or two."""
        scored, bought = (len(cases & set(test)) for cases in (self.scored, self.bought))
        return (
            f"Of the split's {len(test)} test volumes {scored} were scored and {bought} annotated by any of the "
            f"{self.runs} runs, as their {len(self.scored)} scored and {len(self.bought)} annotated volumes show. "
            f"{self.sealed} of the {self.runs} runs had a vault that refuses the labels of test volumes."
        )
