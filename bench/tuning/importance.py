"""How much each setting matters for the objective."""

from __future__ import annotations

import warnings

from bench.tuning.trials import Trials

FEW = 30
"""Trials below which importances are mostly noise."""


def importances(trials: Trials) -> dict[str, float]:
    """Setting -> share of importance by PED-ANOVA (Watanabe et al., IJCAI 2023), highest first; {} for too few trials.

    Of what trials reached after their first run: that is what all of them have, where the value at the end is known of
    those alone that were good enough not to be stopped.
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
        warnings.simplefilter("ignore")  # of few trials; the report says it
        return dict(optuna.importance.get_param_importances(study))
