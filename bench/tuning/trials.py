"""Optuna's study of a tuning: its trials, counted, proposed and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alseg_core.errors import ConfigError
from alseg_core.store import digest

if TYPE_CHECKING:
    import optuna
    from optuna import Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

MADE_WITH, FOLDER, REASON, OWN = "made with", "folder", "reason", "the recipe's own settings"
"""Attributes of the study (two) and of its trials."""


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of one study. total: how many there are to be, without those that failed."""

    study: optuna.Study
    total: int
    seed: int
    startup: int

    @classmethod
    def open(
        cls,
        storage: BaseStorage,
        name: str,
        made_with: Mapping[str, Any],
        folder: str,
        own: Mapping[str, Any],
        total: int,
        seed: int,
        startup: int,
        reduction: int,
    ) -> Trials:
        """Find or create the study; its first trial is the recipe as it is.

        made_with: plain data on which values depend. folder: where the runs are. own: Optuna's parameters that stand
        for the recipe's own settings. Raises ConfigError when the study was made with other settings or elsewhere.
        """
        import optuna

        study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=reduction),
            load_if_exists=True,
        )
        known, ours = study.user_attrs, {MADE_WITH: digest(dict(made_with)), FOLDER: folder}
        for key, what in (
            (MADE_WITH, "other settings, so that its trials cannot be compared"),
            (FOLDER, "its runs in"),
        ):
            if key in known and known[key] != ours[key]:
                where = f" {known[key]}" if key == FOLDER else ""
                raise ConfigError(
                    f"the storage has a study {name!r} with {what}{where}; give this one another name: --set name=OTHER"
                )
            study.set_user_attr(key, ours[key])
        if not any(trial.user_attrs.get(OWN) and trial.state.name != "FAIL" for trial in study.get_trials()):
            study.enqueue_trial(dict(own), user_attrs={OWN: True})
        return cls(study, total, seed, startup)

    def all(self) -> list[FrozenTrial]:
        """Every trial, by number."""
        return self.study.get_trials(deepcopy=False)

    def finished(self) -> list[FrozenTrial]:
        """Those that were judged, to the end or until they were stopped."""
        return [trial for trial in self.all() if trial.state.name in ("COMPLETE", "PRUNED")]

    def complete(self) -> list[FrozenTrial]:
        """Those that were judged to the end, best first."""
        done = [trial for trial in self.all() if trial.state.name == "COMPLETE"]
        return sorted(done, key=lambda trial: (-_value(trial), trial.number))

    def own(self) -> FrozenTrial:
        """The recipe as it is, in its last try."""
        return [trial for trial in self.all() if trial.user_attrs.get(OWN)][-1]

    def wanted(self) -> int:
        """How many trials are still to be asked for."""
        return self.total - sum(trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") for trial in self.all())

    def left_running(self) -> list[Trial]:
        """Trials that a process left when it was stopped."""
        import optuna

        left = [trial for trial in self.all() if trial.state.name == "RUNNING"]
        if left:
            self._seed(left[0].number)
        return [optuna.Trial(self.study, trial._trial_id) for trial in left]

    def ask(self) -> Trial:
        """The next trial. What it proposes depends on the seed, its number and the trials before it alone."""
        waiting = [trial.number for trial in self.all() if trial.state.name == "WAITING"]
        self._seed(waiting[0] if waiting else len(self.all()))
        return self.study.ask()

    def _seed(self, number: int) -> None:
        import numpy as np
        import optuna

        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.startup)

    def reached(self, trial: Trial, rung: int, value: float) -> bool:
        """Enter a trial's value after ``rung`` runs. Whether it is poor beside all that came as far.

        The recipe as it is is never stopped: everything is compared with it.
        """
        frozen = self._frozen(trial.number)
        if rung not in frozen.intermediate_values:
            trial.report(value, rung)
        return trial.should_prune() and not frozen.user_attrs.get(OWN)

    def completed(self, trial: Trial, value: float) -> None:
        """The trial was judged to the end."""
        self.study.tell(trial, value)

    def stopped(self, trial: Trial) -> None:
        """The trial was stopped early."""
        import optuna

        self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)

    def refused(self, trial: Trial, reason: str) -> None:
        """The trial's settings cannot be run; Optuna learns from that."""
        trial.set_user_attr(REASON, reason)
        self.stopped(trial)

    def failed(self, trial: Trial, reason: str) -> None:
        """The trial failed for a reason that may not be its own; it does not count."""
        import optuna

        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def told(self, number: int) -> str:
        """What has become of a trial, in a line."""
        return outcome(self._frozen(number))

    def _frozen(self, number: int) -> FrozenTrial:
        return self.all()[number]


def outcome(trial: FrozenTrial) -> str:
    """What has become of a trial, in a line."""
    reason, reached = trial.user_attrs.get(REASON), trial.intermediate_values
    if trial.state.name == "FAIL":
        return f"failed: {reason}"
    if reason is not None:
        return f"cannot be run: {reason}"
    last = f"{reached[max(reached)]:.3f} after {max(reached)} seed(s)" if reached else ""
    return {"COMPLETE": last, "PRUNED": f"stopped at {last}"}.get(trial.state.name, "not finished")


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value
