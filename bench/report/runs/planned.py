"""What the studies of a report planned to compare, and how to give them more seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alseg_core.vocabulary import BASELINE
from bench.report.runs.run import Run
from bench.report.setting import Setting, title
from bench.study.primary import Primary


def primaries(settings: Mapping[Setting, Sequence[Run]]) -> tuple[dict[Setting, Primary | None], list[str]]:
    """Return setting -> its primary comparison, and a note on each setting whose studies declare different ones.

    A setting has the comparison that all of its studies that declare one agree on. Where they disagree it has none: a
    test that only part of the runs were made for was not planned. Where none declares one, as in runs from before it
    could be declared, it is AUBC against random if random was run.
    """
    chosen: dict[Setting, Primary | None] = {}
    notes = []
    for setting, runs in settings.items():
        declared = dict.fromkeys(run.primary for run in runs if run.primary is not None)
        default = Primary() if any(run.recipe == BASELINE for run in runs) else None
        chosen[setting] = next(iter(declared), default) if len(declared) < 2 else None
        if len(declared) > 1:
            what = " and ".join(f"{primary.metric} against {primary.against}" for primary in declared)
            notes.append(
                f"{title(setting)}: its studies declare different primary comparisons ({what}), so all tests are "
                "exploratory here; each study's own report has its planned tests."
            )
    return chosen, notes


def commands(settings: Mapping[Setting, Sequence[Run]]) -> dict[Setting, list[str]]:
    """Return setting -> the commands that start its studies again with other seeds, as far as they are recorded."""
    return {
        setting: list(dict.fromkeys(run.command for run in runs if run.command)) for setting, runs in settings.items()
    }
