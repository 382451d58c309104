"""Trials of a tuning, in a study of Optuna's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alseg_core.errors import ConfigError, plural
from alseg_core.store import digest
from bench.tuning.labels import label

if TYPE_CHECKING:
    import optuna
    from optuna import Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

MADE_WITH, FOLDER, REASON, OWN = "made with", "folder", "reason", "the recipe's own settings"
"""Attributes of Optuna's study (the first two) and of its trials."""

DIFFERS, SCORE = "differs from the recipe in", "validation AUBC"
"""Attribute of a trial, and name of its value, for Optuna's dashboard."""


@dataclass(frozen=True)
class TrialPlan:
    """The trials that a tuning asks of Optuna."""

    name: str
    """Name of Optuna's study."""
    folder: str
    """Folder of the runs."""
    made_with: Mapping[str, Any]
    """Plain data that the values of trials depend on."""
    own: Mapping[str, Any]
    """Optuna's parameters for the recipe's own settings: the first trial."""
    total: int
    """Number of trials, without those that failed."""
    seed: int
    """Seed of Optuna's proposals."""
    startup: int
    """Trials drawn at random before Optuna's model proposes."""
    reduction: int
    """One trial in this many survives each rung of successive halving."""


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of one study of Optuna's."""

    study: optuna.Study
    plan: TrialPlan

    @classmethod
    def open(cls, storage: BaseStorage, plan: TrialPlan) -> Trials:
        """Find or create the study; its first trial is the recipe as it is.

        Raises ConfigError when a study of this name was made with other settings or keeps its runs elsewhere.
        """
        import optuna

        study = optuna.create_study(
            storage=storage,
            study_name=plan.name,
            direction="maximize",
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=plan.reduction),
            load_if_exists=True,
        )
        with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
            study.set_metric_names([SCORE])
        known, ours = study.user_attrs, {MADE_WITH: digest(dict(plan.made_with)), FOLDER: plan.folder}
        for key, what in (
            (MADE_WITH, "other settings, so that its trials cannot be compared"),
            (FOLDER, "its runs in"),
        ):
            if key in known and known[key] != ours[key]:
                where = f" {known[key]}" if key == FOLDER else ""
                raise ConfigError(
                    f"the storage has a study {plan.name!r} with {what}{where}; give this one another name: "
                    "--set name=OTHER"
                )
            study.set_user_attr(key, ours[key])
        if not any(trial.user_attrs.get(OWN) and trial.state.name != "FAIL" for trial in study.get_trials()):
            study.enqueue_trial(dict(plan.own), user_attrs={OWN: True})
        return cls(study, plan)

    def all(self) -> list[FrozenTrial]:
        """Return every trial, by number."""
        return self.study.get_trials(deepcopy=False)

    def finished(self) -> list[FrozenTrial]:
        """Return the trials that were judged to the end or stopped early."""
        return [trial for trial in self.all() if trial.state.name in ("COMPLETE", "PRUNED")]

    def complete(self) -> list[FrozenTrial]:
        """Return the trials that were judged to the end, best first."""
        done = [trial for trial in self.all() if trial.state.name == "COMPLETE"]
        return sorted(done, key=lambda trial: (-_value(trial), trial.number))

    def own(self) -> FrozenTrial:
        """Return the last trial of the recipe as it is."""
        return [trial for trial in self.all() if trial.user_attrs.get(OWN)][-1]

    def wanted(self) -> int:
        """Return how many more trials to ask for."""
        return self.plan.total - sum(trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") for trial in self.all())

    def left_running(self) -> list[Trial]:
        """Return the trials that an interrupted process left unfinished."""
        import optuna

        left = [trial for trial in self.all() if trial.state.name == "RUNNING"]
        if left:
            self._seed(left[0].number)
        return [optuna.Trial(self.study, trial._trial_id) for trial in left]

    def ask(self) -> Trial:
        """Ask for the next trial. Its settings depend only on the seed, its number and the trials before it.

        Those that are running count too, by their settings.
        """
        waiting = [trial.number for trial in self.all() if trial.state.name == "WAITING"]
        self._seed(waiting[0] if waiting else len(self.all()))
        return self.study.ask()

    def _seed(self, number: int) -> None:
        import numpy as np
        import optuna

        seed = int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0])
        # trials that run at the same time count as poor ones, so that the next does not try the same again
        others = any(trial.state.name == "RUNNING" and trial.number != number for trial in self.all())
        self.study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=self.plan.startup, constant_liar=others
        )

    def reached(self, trial: Trial, rung: int, value: float) -> bool:
        """Record a trial's value after ``rung`` runs; return whether it is poor among all trials that got as far.

        The recipe as it is is never stopped: all other trials are compared with it.
        """
        frozen = self._frozen(trial.number)
        if rung not in frozen.intermediate_values:
            trial.report(value, rung)
            trial.set_user_attr(DIFFERS, self.label(frozen))
        return trial.should_prune() and not frozen.user_attrs.get(OWN)

    def completed(self, trial: Trial, value: float) -> None:
        """Record that a trial was judged to the end."""
        self.study.tell(trial, value)

    def stopped(self, trial: Trial) -> None:
        """Record that a trial was stopped early."""
        import optuna

        self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)

    def refused(self, trial: Trial, reason: str) -> None:
        """Record that a trial's settings cannot be run; Optuna learns from it."""
        trial.set_user_attr(REASON, reason)
        self.stopped(trial)

    def failed(self, trial: Trial, reason: str) -> None:
        """Record that a trial failed for a reason that may not be its own; it does not count."""
        import optuna

        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def label(self, trial: FrozenTrial | Trial, most: int | None = None) -> str:
        """Return the settings of a trial that differ from the recipe's own, of at most ``most`` settings."""
        return label(trial.params, self.plan.own, most)

    def outcome(self, number: int) -> str:
        """Return the outcome of a trial on one line."""
        return outcome(self._frozen(number))

    def _frozen(self, number: int) -> FrozenTrial:
        return self.all()[number]


def outcome(trial: FrozenTrial) -> str:
    """Return the outcome of a trial on one line."""
    reason, reached = trial.user_attrs.get(REASON), trial.intermediate_values
    if trial.state.name == "FAIL":
        return f"failed: {reason}"
    if reason is not None:
        return f"cannot be run: {reason}"
    last = f"{reached[max(reached)]:.3f} after {plural(max(reached), 'seed')}" if reached else ""
    return {"COMPLETE": last, "PRUNED": f"stopped at {last}"}.get(trial.state.name, "not finished")


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value
