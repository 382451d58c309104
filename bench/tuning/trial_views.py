"""What MLflow's UI shows of a tuning."""

from __future__ import annotations

from collections.abc import Sequence

from bench.tracking.links import CURVES, TABLE, artifact, page
from bench.tracking.views import bar, experiment_tags, parallel, view
from bench.tuning.labels import SUFFIX

SCORE, FINAL, MEAN = "aubc_validation", "aubc_full_loop", "aubc_full_loop_mean"
"""Metrics of trials: by the proxy, after each of its seeds; by the full loop, for each seed and their mean."""


def tuning_tags(name: str, experiment: str, parent: str, settings: Sequence[str]) -> dict[str, str]:
    """Return the tags of the experiment of a tuning.

    Args:
        name: name of the experiment.
        experiment, parent: ids of experiment and parent run in MLflow.
        settings: Optuna's parameters, which are parameters of the runs.
    """
    shown = [setting for setting in settings if not setting.endswith(SUFFIX)]
    columns = {f"metrics.`{SCORE}`": 130, f"metrics.`{MEAN}`": 160, "tags.`outcome`": 180}
    columns |= {f"params.`{setting}`": 120 for setting in shown}
    trials, best = "tags.outcome LIKE '%'", f"metrics.`{SCORE}`"  # without the parent run, which would fold the others
    charts = {"Validation AUBC of every trial": [bar(SCORE), bar(MEAN)], "Settings": [parallel(shown, SCORE)]}
    report = artifact(experiment, parent, "report/tuning.md")
    description = (
        f"Tuning {name}: [trials]({page(experiment, CURVES)}), [table]({page(experiment, TABLE)}), "
        f"[report]({report})\n\n"
        "- One nested run per trial, named by its number and the settings that differ from the recipe's own.\n"
        f"- `{SCORE}`: area under the curve of validation Dice at the low budgets, mean over seeds; the step is the "
        f"number of seeds.\n- `{FINAL}`: by the full loop, for the best trials; the step is the seed. `{MEAN}`: its "
        "mean.\n"
    )
    views = {
        CURVES: view("Trials", trials, best, columns, charts),
        TABLE: view("All trials", trials, best, columns),
    }
    return experiment_tags(SCORE, description, views)
