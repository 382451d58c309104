"""What a report says, in the order in which it is read; Markdown and HTML only write it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.report.analysis import Analysis
from bench.report.runs.results import Results
from bench.report.setting import SETTING, short_title
from bench.report.tables.detail_tables import Sheet, sheets
from bench.report.tables.interpretation import meaning
from bench.report.tables.main_table import Panel, panels

if TYPE_CHECKING:
    from bench.report.figures import Drawn


@dataclass(frozen=True)
class Section:
    """One setting: its main table, what its differences mean, what stands behind it, how it was made."""

    panel: Panel
    sentences: list[str]
    sheets: list[Sheet]
    facts: dict[str, str]
    figures: list[Drawn]


@dataclass(frozen=True)
class Document:
    """The whole report. what: what was compared. figures: those about several settings. gaps: why pictures are
    not there; faults: those whose drawing raised an error. failed: (run, reason). work: time, memory and what
    runs shared.
    """

    name: str
    what: str
    warnings: list[str]
    notes: list[str]
    problems: list[str]
    sections: list[Section]
    figures: list[Drawn]
    gaps: list[str]
    faults: list[str]
    failed: list[tuple[str, str]]
    unfinished: list[str]
    work: list[str]
    weights: list[tuple[str, str]]
    sources: list[tuple[str, str]]
    budgets: list[str] = field(default_factory=list)


def document(results: Results, analysis: Analysis, drawn: Sequence[Drawn]) -> Document:
    """Put together what the results show."""
    figures = [picture for picture in drawn if picture.path is not None]
    sections = [
        Section(
            panel,
            meaning(analysis, panel.setting),
            sheets(results, analysis, panel.setting),
            results.facts.get(panel.setting, {}),
            [picture for picture in figures if picture.scope == panel.setting],
        )
        for panel in panels(results, analysis)
    ]
    work = [] if results.savings is None else results.savings.sentences
    if len(results.seconds):
        hours = results.seconds["seconds"].sum() / 3600
        work = [
            f"Rounds took {hours:.1f} hours in total, counting shared trainings for each run that used them.",
            *work,
        ]
    if results.peak_mb is not None:
        peak = f"{results.peak_mb:,} MB"
        work = [*work, f"Peak resident memory of a worker process, over all its runs: {peak}."]
    own = {section.panel.setting for section in sections}
    return Document(
        name=results.name,
        what=_what(results),
        warnings=results.warnings,
        notes=results.notes,
        problems=results.problems,
        sections=sections,
        figures=[picture for picture in figures if picture.scope not in own],
        gaps=[_gap(picture) for picture in drawn if picture.path is None and not picture.failed],
        faults=[_gap(picture) for picture in drawn if picture.failed],
        failed=list(results.failed.items()),
        unfinished=results.unfinished,
        work=work,
        weights=list(results.weights.items()),
        sources=list(results.sources.items()),
        budgets=list(dict.fromkeys(budget for section in sections for budget in section.panel.budgets)),
    )


def _gap(picture: Drawn) -> str:
    return f"{picture.title} ({short_title(picture.scope)}): {picture.reason}"


def _what(results: Results) -> str:
    """One sentence on what was compared, with all runs counted."""
    runs = results.runs
    if not len(runs):
        return ""
    states = runs["state"].value_counts()
    counts = ", ".join(f"{states[state]} {state}" for state in ("finished", "failed", "unfinished") if state in states)
    settings = len(runs.drop_duplicates(SETTING))
    parts = [
        _plural(len(results.recipes), "recipe"),
        _plural(runs["seed"].nunique(), "seed"),
        f"datasets: {', '.join(dict.fromkeys(runs['dataset']))}",
        f"annotation: {', '.join(dict.fromkeys(runs['annotation']))}",
        f"{_plural(settings, 'setting')} of dataset, annotation and budgets",
        f"{_plural(len(runs), 'run')} ({counts})",
    ]
    return "Compared here: " + "; ".join(parts) + "."


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
