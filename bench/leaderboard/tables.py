"""From bundles to tables: settings of several bundles stand in one table where their numbers may be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alseg_core.metrics.curve import AUBC
from alseg_core.store import digest
from alseg_core.vocabulary import BASELINE
from bench.leaderboard.entry import Entry, Part
from bench.leaderboard.rows import Row
from bench.report.runs.cases import PARTS
from bench.report.runs.compatibility import Signature
from bench.report.runs.copies import apart
from bench.report.setting import Setting

OWN = ("device", "threads", "alseg", "packages", "python", "studies")
"""Facts of a setting that each bundle has of its own, and that numbers may differ in."""
PATIENTS = tuple(f"{name} patients" for name in PARTS.values())
"""Labels of facts that list pseudonyms."""


@dataclass(frozen=True, eq=False)
class Table:
    """One setting with the methods of all bundles that may be compared in it."""

    title: str
    """The setting in words."""
    parts: tuple[tuple[str, Part], ...]
    """(name of a bundle, its part)."""
    apart: str = ""
    """Why it is no part of another table of the same setting; "" where there is none."""

    @property
    def first(self) -> Part:
        """Part that stands for the others in all that decides whether numbers are comparable."""
        return self.parts[0][1]

    @property
    def anchor(self) -> str:
        """Address on the page."""
        return f"s-{digest(self.title)[:12]}"

    @property
    def score(self) -> str:
        """Name of the score by which rows are ordered."""
        return self.last if len(self.first.panel.budgets) == 1 else AUBC

    @property
    def last(self) -> str:
        """Name of the score at the last budget."""
        return f"Dice at {self.first.panel.budgets[-1]}"

    @property
    def rows(self) -> list[Row]:
        """Rows of all bundles: the best first, those that read ground truth last."""
        rows = [row for _, part in self.parts for row in part.rows]
        return sorted(rows, key=lambda row: (row.reference, -(row.score.mean if row.score else -1.0), row.recipe))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """(label, text): what makes its numbers comparable."""
        facts = self.first.facts.items()
        return [(label, text) for label, text in facts if label not in (*OWN, *PATIENTS)]

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest end of the differences' intervals, with 0 between them; references have no bars."""
        known = [row.difference for row in self.rows if row.difference is not None and not row.reference]
        ends = [end for one in known for end in (one.low, one.mean, one.high) if end == end]  # NaN differs from itself
        return min([0.0, *ends]), max([0.0, *ends])

    @property
    def against(self) -> str:
        """What most rows are compared with; random where none is."""
        found = Counter(row.difference.against for row in self.rows if row.difference is not None)
        return found.most_common(1)[0][0] if found else BASELINE

    @property
    def minutes(self) -> bool:
        """Whether the minutes of annotation are known of any row."""
        return any(row.minutes.value is not None for row in self.rows)

    @property
    def notes(self) -> list[str]:
        """Methods of one name that bundles have set differently, and scans that are not proved the same."""
        found: dict[str, dict[str, list[str]]] = {}  # recipe -> its parts -> bundles
        for name, part in self.parts:
            for signature in map(Signature.of, part.runs):
                bundles = found.setdefault(signature.recipe, {}).setdefault(signature.parts, [])
                if name not in bundles:
                    bundles.append(name)
        first, own = self.parts[0][0], _keys(self.first)
        copies = [
            f"Scans of {first} and {name} are in other files: the same cases and numbers of slices, but "
            "not proved the same."
            for name, part in self.parts[1:]
            if _keys(part).isdisjoint(own)
        ]
        return copies + [
            f"{recipe} has different settings in {' and in '.join(', '.join(names) for names in ways.values())}."
            for recipe, ways in found.items()
            if len(ways) > 1
        ]


def tables(entries: Sequence[Entry]) -> list[Table]:
    """Return the tables of all bundles that passed, by setting.

    Of several tables of a setting, that of most bundles comes first; the others name a bundle in their title.
    """
    groups: dict[Setting, list[list[tuple[str, Part]]]] = {}
    for entry in entries:
        for part in entry.parts:
            known = groups.setdefault(part.panel.setting, [])
            fitting = next((group for group in known if _apart(group, part) is None), None)
            if fitting is None:
                known.append(fitting := [])
            fitting.append((entry.name, part))
    return [table for setting in sorted(groups) for table in _titled(groups[setting])]


def _titled(groups: Sequence[Sequence[tuple[str, Part]]]) -> Iterator[Table]:
    """Yield the tables of one setting."""
    most, *others = sorted(groups, key=len, reverse=True)
    other, first = most[0]
    yield Table(first.panel.title, tuple(most))
    for group in others:
        name, part = group[0]
        reason = f"{name} is kept apart from {other}: {_apart(most, part)}."
        yield Table(f"{part.panel.title} ({name})", tuple(group), reason)


def _apart(group: Sequence[tuple[str, Part]], part: Part) -> str | None:
    """Return why a part must not stand beside others; None if it may."""
    pairs = ((own, other) for _, one in group for other in one.runs for own in part.runs)
    return next((reason for own, other in pairs if (reason := apart(own, other)) is not None), None)


def _keys(part: Part) -> set[str | None]:
    """Return the keys of the prepared data of a part."""
    return {run.data_key for run in part.runs}
