"""From bundles to tables: settings of several bundles stand in one table where their numbers may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alseg_core.metrics.curve import AUBC
from alseg_core.store import digest
from bench.leaderboard.entry import Entry, Part
from bench.leaderboard.rows import Row
from bench.report.runs.cases import PARTS

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
    def minutes(self) -> bool:
        """Whether the minutes of annotation are known of any row."""
        return any(row.minutes.value is not None for row in self.rows)

    @property
    def notes(self) -> list[str]:
        """Methods of one name that bundles have set differently."""
        found: dict[str, dict[str, list[str]]] = {}  # recipe -> its parts -> bundles
        for name, part in self.parts:
            for signature in part.signatures:
                bundles = found.setdefault(signature.recipe, {}).setdefault(signature.parts, [])
                if name not in bundles:
                    bundles.append(name)
        return [
            f"{recipe} has different settings in {' and in '.join(', '.join(names) for names in ways.values())}."
            for recipe, ways in found.items()
            if len(ways) > 1
        ]


def tables(entries: Sequence[Entry]) -> list[Table]:
    """Return the tables of all bundles that passed, by setting; a title that is taken gets the name of its bundle."""
    found: list[Table] = []
    for entry in entries:
        for part in entry.parts:
            alike = [i for i, table in enumerate(found) if table.first.panel.setting == part.panel.setting]
            reasons = {i: _apart(found[i], part) for i in alike}
            fitting = next((i for i, reason in reasons.items() if reason is None), None)
            own = ((entry.name, part),)
            if fitting is not None:
                found[fitting] = replace(found[fitting], parts=(*found[fitting].parts, *own))
            elif not alike:
                found.append(Table(part.panel.title, own))
            else:
                other, reason = found[alike[0]].parts[0][0], reasons[alike[0]]
                title = f"{part.panel.title} ({entry.name})"
                found.append(Table(title, own, f"{entry.name} is kept apart from {other}: {reason}."))
    return sorted(found, key=lambda table: table.first.panel.setting)


def _apart(table: Table, part: Part) -> str | None:
    """Return why a part must not stand in a table; None if it may."""
    pairs = ((own, other) for _, one in table.parts for other in one.signatures for own in part.signatures)
    return next((reason for own, other in pairs if (reason := own.apart(other)) is not None), None)
