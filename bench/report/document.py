"""Contents of a report in reading order, independent of Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alseg_core.errors import plural
from bench.report.analysis import Analysis
from bench.report.compared import only_controls
from bench.report.controls import controls_verdict
from bench.report.header import header
from bench.report.run_names import run_names
from bench.report.runs.collapse import WARNING, collapsed
from bench.report.runs.provenance import OWN_SPLITS
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Setting, short_title
from bench.report.tables.detail_tables import label_sentence, sheets
from bench.report.tables.embeddings import embedding_sheets
from bench.report.tables.headline import headline, next_step
from bench.report.tables.interpretation import meaning
from bench.report.tables.main_table import Panel, panels
from bench.report.tables.sheet import Sheet

if TYPE_CHECKING:
    from bench.report.figures import Drawn


@dataclass(frozen=True)
class Section:
    """One setting: what was found, main table, meaning of its differences, detail tables, provenance and figures."""

    panel: Panel
    headline: str
    """What the planned tests found, in one plain sentence."""
    next_step: str
    """What would make the finding firmer, and the command for it; "" if there is nothing to add."""
    sentences: list[str]
    sheets: list[Sheet]
    facts: dict[str, str]
    figures: list[Drawn]


@dataclass(frozen=True)
class Document:
    """The whole report."""

    name: str
    """Names of the studies."""
    what: str
    """Sentence on what was compared."""
    warnings: list[str]
    """What a reader must know before trusting a number."""
    notes: list[str]
    """Runs kept apart or left out in merging."""
    problems: list[str]
    """Folders that could not be read."""
    sections: list[Section]
    """One per setting."""
    figures: list[Drawn]
    """Figures about several settings."""
    gaps: list[str]
    """Figures that are missing, and why."""
    faults: list[str]
    """Figures whose drawing raised an error."""
    failed: list[tuple[str, str]]
    """(run, reason) of failed runs, by name (:func:`bench.report.run_names.run_names`)."""
    unfinished: list[str]
    """Runs with rounds left, by name."""
    work: list[str]
    """Time, memory and work that runs shared."""
    weights: list[tuple[str, str]]
    """(recipe, weights that its encoder started from)."""
    sources: list[tuple[str, str]]
    """(name, what to cite)."""
    header: list[tuple[str, str]] = field(default_factory=list)
    """(label, text): when, how and for how long the runs were made."""
    recipes: list[tuple[str, str]] = field(default_factory=list)
    """(recipe, what it does in a line)."""
    budgets: list[str] = field(default_factory=list)
    """All budgets, for the filter of the page."""


def document(results: Results, analysis: Analysis, drawn: Sequence[Drawn]) -> Document:
    """Assemble the document."""
    figures = [picture for picture in drawn if picture.path is not None]
    sections = [
        Section(
            panel,
            headline(results, analysis, panel.setting),
            next_step(results, analysis, panel.setting),
            _sentences(results, analysis, panel.setting),
            [*sheets(results, analysis, panel.setting), *embedding_sheets(results, panel.setting)],
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
    own, names = {section.panel.setting for section in sections}, run_names(results)
    return Document(
        name=results.name,
        what=_what(results),
        warnings=[*results.warnings, *_lost(results, [section.panel for section in sections])],
        notes=results.notes,
        problems=results.problems,
        sections=sections,
        figures=[picture for picture in figures if picture.scope not in own],
        gaps=[_gap(picture) for picture in drawn if picture.path is None and not picture.failed],
        faults=[_gap(picture) for picture in drawn if picture.failed],
        failed=[(names[key], reason) for key, reason in results.failed.items()],
        unfinished=[names[key] for key in results.unfinished],
        work=work,
        weights=list(results.weights.items()),
        sources=list(results.sources.items()),
        header=header(results),
        recipes=[(recipe, text) for recipe in results.recipes if (text := results.summaries.get(recipe, ""))],
        budgets=list(dict.fromkeys(budget for section in sections for budget in section.panel.budgets)),
    )


def _sentences(results: Results, analysis: Analysis, setting: Setting) -> list[str]:
    """Return whether controls are found, what the headline rests on, what each seed split and what validation cost."""
    controls = "" if only_controls(results, analysis, setting) else controls_verdict(results, analysis, setting)
    splits = OWN_SPLITS if OWN_SPLITS in results.facts.get(setting, {}).values() else ""
    found = (controls, *meaning(results, analysis, setting), splits, label_sentence(analysis, setting))
    return [sentence for sentence in found if sentence]


def _lost(results: Results, panels: Sequence[Panel]) -> list[str]:
    """Return a warning for each setting whose networks have lost classes."""
    found = [(panel.title, collapsed(results.structures, panel.setting)) for panel in panels]
    return [f"{WARNING} ({title}: {lost})." for title, lost in found if lost]


def _gap(picture: Drawn) -> str:
    return f"{picture.title} ({short_title(picture.scope)}): {picture.reason}"


def _what(results: Results) -> str:
    """Return one sentence on what was compared, with the number of runs."""
    runs = results.runs
    if not len(runs):
        return ""
    states = runs["state"].value_counts()
    counts = ", ".join(f"{states[state]} {state}" for state in ("finished", "failed", "unfinished") if state in states)
    settings = len(runs.drop_duplicates(SETTING))
    parts = [
        plural(len(results.recipes), "recipe"),
        plural(runs["seed"].nunique(), "seed"),
        f"datasets: {', '.join(dict.fromkeys(runs['dataset']))}",
        f"annotation: {', '.join(dict.fromkeys(runs['annotation']))}",
        f"{plural(settings, 'setting')} of dataset, annotation and budgets",
        f"{plural(len(runs), 'run')} ({counts})",
    ]
    return "Compared here: " + "; ".join(parts) + "."
