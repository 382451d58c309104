"""Optuna behind Ray Tune: what a trial is to try, whether it is worth going on, and what came of it.

Ours, because Ray's own bridge tells Optuna that a trial stopped early was completed with the value it had by then, and
its early stopping forgets with the process what earlier trials reached. Here the storage knows all of it: a tuning that
was killed goes on with the same trials, and with one trial at a time proposes what it would have proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from bench.launchers.ray_tune import DIED
from bench.tuning.trial import TrialFolder
from bench.tuning.trials import Trials

if TYPE_CHECKING:
    from optuna import Trial

Prepare = Callable[["Trial"], Path | None]
"""Makes the folder of a trial; None when its settings do not go together, which has been told then."""
Told = Callable[[int, str], None]
"""Hears the number of a trial and what has become of it."""


class Asks(Searcher):
    """Tune's searcher: goes on with trials that were left running, then asks for new ones until there are enough."""

    def __init__(
        self, trials: Trials, left: Sequence[Trial], rungs: int, room: Callable[[], int], prepare: Prepare, tell: Told
    ) -> None:
        """left: trials that were left running. rungs: runs of a trial that is not stopped. room: trials at once."""
        super().__init__()
        self._trials, self._left, self._rungs, self._room = trials, list(left), rungs, room
        self._prepare, self._tell = prepare, tell
        self._live: dict[str, tuple[Trial, Path]] = {}
        self._stopped: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The folder of the next trial, as Tune's configuration of it; None where there is no room for one now."""
        if len(self._live) >= self._room():
            return None
        while self._left or self._trials.wanted() > 0:
            trial = self._left.pop(0) if self._left else self._trials.ask()
            folder = self._prepare(trial)
            if folder is not None:
                self._live[trial_id] = trial, folder
                return {"folder": str(folder)}
            self._tell(trial.number, self._trials.told(trial.number))
        finished: str = Searcher.FINISHED
        return finished

    def poor(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Enter what the trial has reached; whether it is to be stopped there."""
        if "refused" in result or "rung" not in result:
            return False
        rung, value = int(result["rung"]), float(result["value"])
        poor = self._trials.reached(self._live[trial_id][0], rung, value) and rung < self._rungs
        if poor:
            self._stopped.add(trial_id)
        return poor

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna how the trial ended; one that was merely interrupted stays as it is and goes on next time."""
        trial, folder = self._live.pop(trial_id)
        if error:
            self._trials.failed(trial, TrialFolder(folder).failure() or DIED)
        elif result and "refused" in result:
            self._trials.refused(trial, str(result["refused"]))
        elif result and result.get("rung") == self._rungs:
            self._trials.completed(trial, float(result["value"]))
        elif trial_id in self._stopped:
            self._trials.stopped(trial)
        else:
            return
        self._tell(trial.number, self._trials.told(trial.number))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: the scheduler has entered it."""

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        return Searcher, ()  # Tune saves its parts to disk; ours are Optuna's storage

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Optuna's storage has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class Halving(FIFOScheduler):
    """Tune's scheduler: stops what :meth:`Asks.poor` finds poor."""

    def __init__(self, asks: Asks) -> None:
        super().__init__()
        self._asks = asks

    def __reduce__(self) -> tuple[type[FIFOScheduler], tuple[()]]:
        return FIFOScheduler, ()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Go on or stop."""
        decision: str = TrialScheduler.STOP if self._asks.poor(trial.trial_id, result) else TrialScheduler.CONTINUE
        return decision
