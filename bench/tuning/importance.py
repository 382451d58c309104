"""Importance of each setting for the score."""

from __future__ import annotations

import warnings

from bench.tuning.trials import Trials

FEW = 30
"""Number of trials below which importances are mostly noise."""


def importances(trials: Trials) -> dict[str, float]:
    """Return setting -> importance by PED-ANOVA (Watanabe et al., IJCAI 2023), highest first; {} for too few trials.

    Importances are shares, computed from the scores after the first run: every trial has one, whereas only trials that
    were not stopped have a final score.
    """
    import optuna

    first = [trial for trial in trials.all() if 1 in trial.intermediate_values]
    if len(first) < 4 or len({trial.intermediate_values[1] for trial in first}) < 2:
        return {}
    study = optuna.create_study(direction="maximize")
    for trial in first:
        study.add_trial(
            optuna.create_trial(
                params=trial.params, distributions=trial.distributions, value=trial.intermediate_values[1]
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning about few trials is in the report
        return dict(optuna.importance.get_param_importances(study))
