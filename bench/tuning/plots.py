"""Pictures of a tuning: its history, the score against each setting, and the importance of each setting."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from bench.tuning.importance import importances
from bench.tuning.trials import OWN, Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

FIRST, OWN_COLOUR, FOUND = "#0072B2", "#D55E00", "#009E73"
"""Colours of trials, of the recipe's own settings and of the best so far."""

NAMED = 3
"""Number of settings that name a trial in a legend."""

COLUMNS = 4
"""Settings side by side in ``slices.png``."""


def draw(trials: Trials, folder: Path) -> None:
    """Write ``history.png``, ``slices.png`` and, with enough trials, ``importance.png`` into a folder."""
    from matplotlib.figure import Figure

    seen = [trial for trial in trials.all() if trial.intermediate_values]
    if not seen:
        return
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    _history(figure.subplots(), seen, trials)
    figure.savefig(folder / "history.png", dpi=120)

    names = [name for trial in seen for name in trial.params]
    names = [name for name in dict.fromkeys(names) if not name.endswith(" used")]
    rows = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel()
    for axis, name in zip(axes, names, strict=False):
        _slice(axis, seen, name)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    figure.supylabel("validation AUBC after the first seed", fontsize=10)
    figure.savefig(folder / "slices.png", dpi=120)

    if found := importances(trials):
        figure = Figure(figsize=(8, 0.9 + 0.3 * len(found)), layout="constrained")
        axis = figure.subplots()
        axis.barh(list(found)[::-1], list(found.values())[::-1], color=FIRST)
        axis.set_xlabel("importance (PED-ANOVA), validation AUBC after the first seed")
        figure.savefig(folder / "importance.png", dpi=120)


def _last(trial: FrozenTrial) -> float:
    return trial.intermediate_values[max(trial.intermediate_values)]


def _history(axis: Axes, seen: list[FrozenTrial], trials: Trials) -> None:
    """Plot the last value of every trial, and the best value so far of the trials that were not stopped."""
    for state, marker, face, label in (
        ("COMPLETE", "o", FIRST, "ran all seeds"),
        ("PRUNED", "o", "none", "stopped"),
    ):
        some = [trial for trial in seen if trial.state.name == state]
        axis.scatter(
            [t.number for t in some],
            [_last(t) for t in some],
            marker=marker,
            facecolors=face,
            edgecolors=FIRST,
            label=label,
        )
    best, steps, winner = -math.inf, [], ""
    for trial in seen:
        if trial.state.name == "COMPLETE":
            if _last(trial) > best:
                best, winner = _last(trial), f"trial {trial.number}, {trials.label(trial, NAMED)}"
            steps.append((trial.number, best))
    label = f"best so far (in the end {winner})"
    axis.step([n for n, _ in steps], [v for _, v in steps], where="post", color=FOUND, label=label)
    for own in (trial for trial in seen if trial.user_attrs.get(OWN)):
        axis.axhline(_last(own), color=OWN_COLOUR, linestyle="--", label="own settings")
    axis.set_xlabel("trial")
    axis.set_ylabel("validation AUBC, mean of its seeds")
    axis.legend(fontsize=8)


def _slice(axis: Axes, seen: list[FrozenTrial], name: str) -> None:
    """Plot the value after the first seed against one setting, for the trials that use it."""
    import optuna
    from matplotlib.ticker import NullFormatter

    using = [trial for trial in seen if name in trial.params and 1 in trial.intermediate_values]
    kind = using[0].distributions[name] if using else None
    categorical = isinstance(kind, optuna.distributions.CategoricalDistribution)
    for own, colour in ((False, FIRST), (True, OWN_COLOUR)):
        some = [trial for trial in using if bool(trial.user_attrs.get(OWN)) == own]
        values = [str(t.params[name]) if categorical else t.params[name] for t in some]
        axis.scatter(values, [t.intermediate_values[1] for t in some], s=18, color=colour, alpha=0.8)
    if kind is not None and getattr(kind, "log", False):
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_title(name, fontsize=9)
    axis.tick_params(labelsize=8)
