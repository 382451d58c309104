"""Forecast of a study: what its runs will do, what they can share, and how long the rest takes on this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.planning.disk_space import folder_bytes
from bench.planning.order import in_turn, starting_order
from bench.planning.reuse import Reuse
from bench.planning.stopwatch import Clock, step_shape

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.embed.contrastive import Contrastive
    from alseg_core.material import Plan
    from alseg_core.store import Store

PASSES = 0.35
"""Time of a slice in a forward pass, as a fraction of its time in a training step."""
SURFACE_S = 5e-8
"""Time to compute the surface distances of one class, in seconds per voxel of the scan's own grid."""


@dataclass(frozen=True)
class Round:
    """Expected durations of the phases of one round, in seconds and in their order."""

    embed: float = 0.0
    """Training encoders and embedding the pool."""
    select: float = 0.0
    """Selecting the slices to annotate."""
    train: float = 0.0
    """Training the networks."""
    evaluate: float = 0.0
    """Predicting and scoring test or validation volumes."""

    @property
    def seconds(self) -> float:
        """Duration of the whole round."""
        return self.embed + self.select + self.train + self.evaluate


@dataclass(frozen=True)
class Course:
    """Expected course of one run. Counts and savings refer to the rounds that are not on disk."""

    rounds: tuple[Round, ...]
    """Expected duration of every round."""
    steps: tuple[int, ...]
    """Training steps of one network in every round."""
    done: int = 0
    """Number of rounds on disk."""
    trainings: int = 0
    """Number of networks that the run needs."""
    shared_trainings: int = 0
    """How many of these it takes from the store or from another run of the study."""
    encoders: int = 0
    """Number of encoders that the run needs."""
    new_encoders: int = 0
    """How many of these it trains itself, for other runs too."""
    saved: float = 0.0
    """Time that the run saves by sharing, in seconds."""
    seed: int = 0
    """Seed of the run."""
    labelled: tuple[int, ...] = ()
    """Labelled slices in every round."""
    pool: int = 0
    """Number of slices to select from."""

    @classmethod
    def even(cls, rounds: int) -> Course:
        """Return the course of a run about which nothing is known: equal rounds that consist of training."""
        return cls((Round(train=1.0),) * rounds, (1,) * rounds)

    def seconds_of(self, rounds: int) -> float:
        """Return the duration of the first ``rounds`` rounds, in seconds."""
        return sum(part.seconds for part in self.rounds[:rounds])

    @property
    def seconds(self) -> float:
        """Duration of all rounds, in seconds."""
        return self.seconds_of(len(self.rounds))

    @property
    def left(self) -> float:
        """Duration of the rounds that are not on disk, in seconds."""
        return self.seconds - self.seconds_of(self.done)

    def elapsed(self, number: int, phase: str, run_fraction: float) -> float:
        """Return how much of the run's duration has passed at an :class:`alseg_core.events.Progress`, in seconds."""
        current, elapsed = self.rounds[number], self.seconds_of(number)
        name, _, percent = phase.partition(" ")
        fraction = float(percent.removesuffix("%")) / 100 if percent else 0.0
        if name == "embed":
            return elapsed + fraction * current.embed
        elapsed += current.embed
        if name == "select":
            return elapsed
        elapsed += current.select
        if name == "train":
            trained = (run_fraction * sum(self.steps) - sum(self.steps[:number])) / self.steps[number]
            return elapsed + min(max(trained, 0.0), 1.0) * current.train
        return elapsed + current.train + fraction * current.evaluate


@dataclass(frozen=True)
class Forecast:
    """Expected course of a study."""

    courses: Mapping[str, Course]
    """Course of every run, finished ones too, by the key of the run."""
    places: int | None
    """Number of runs that execute at the same time; None if unknown."""
    measured: bool
    """Whether durations are in seconds; if not, they only compare with one another."""
    distinct_encoders: int = 0
    """Number of different encoders that the unfinished rounds need."""
    disk: int = 0
    """Size of the results that the unfinished runs will write, in bytes."""
    stored: int = 0
    """Size of what the unfinished runs will add to the store, in bytes."""
    warnings: tuple[str, ...] = ()
    """What to know about the data before trusting a score, one line each."""
    busy: str | None = None
    """What else the machine had to do while durations were measured; see :attr:`Clock.busy`."""

    @property
    def left(self) -> dict[str, float]:
        """Seconds left of each unfinished run, in the order in which they should start."""
        unfinished = {key: course for key, course in self.courses.items() if course.done < len(course.rounds)}
        left = {key: course.left for key, course in unfinished.items()}
        seeds = {key: course.seed for key, course in unfinished.items()}
        waiting = {key for key, course in unfinished.items() if course.shared_trainings}
        return {key: left[key] for key in starting_order(left, seeds, waiting, self.places or 1)}

    @property
    def wall(self) -> float:
        """Time until the last run ends, in seconds."""
        return in_turn(self.left.values(), self.places or 1)

    def total(self, name: str) -> Any:
        """Return the sum of a field over all courses: trainings, shared_trainings, encoders, new_encoders or saved."""
        return sum(getattr(course, name) for course in self.courses.values())


def forecast(
    configs: Sequence[RunConfig],
    plans: Mapping[str, Plan],
    done: Mapping[str, int],
    store: Store,
    clock: Clock,
    places: int | None,
) -> Forecast:
    """Return the forecast of a study. What several runs share counts for the first of them that needs it.

    Args:
        configs: configurations of all runs.
        plans: what each run will do, by its key.
        done: number of rounds on disk, by the key of the run.
        store: encoders and trainings that it holds take no time.
        clock: measures how long training steps take.
        places: number of runs that execute at the same time; None if unknown.
    """
    reuse = Reuse(store)
    keyed = {config.key: config for config in configs}  # a key is a digest of all settings
    courses = {key: _course(config, plans[key], done[key], reuse, clock) for key, config in keyed.items()}
    weights: dict[str, int] = {}
    disk, stored = 0, reuse.encoder_bytes
    for key, config in keyed.items():
        plan = plans[key]
        if done[key] >= len(plan.budgets):
            continue
        kind = repr(plan.trainer)
        if kind not in weights:
            weights[kind] = plan.trainer.state_bytes(plan.channels, len(config.dataset.classes))
        disk += folder_bytes(config, plan, weights[kind])
        if config.starts_at_random and not done[key]:
            stored += (config.members - courses[key].shared_trainings) * weights[kind]
    return Forecast(courses, places, clock.measured, len(reuse.encoders), disk, stored, busy=clock.busy)


def _course(config: RunConfig, plan: Plan, done: int, reuse: Reuse, clock: Clock) -> Course:
    """Return the course of one run; encoders and trainings that it is the first to need are claimed in ``reuse``."""
    count, members = len(plan.budgets), config.members
    step = clock.step(config, plan) if done < count else 0.0
    forward = PASSES * step / math.prod(step_shape(config, plan))
    evaluate = (plan.test_slices if config.evaluate.part == "test" else plan.val_slices) * forward
    if config.evaluate.surface and clock.measured:
        evaluate += reuse.scored_voxels(config, plan) * (len(config.dataset.classes) - 1) * SURFACE_S
    first = 1 if config.starts_at_random else 0  # the first round whose slices the strategy selects
    look = plan.pool * config.recipe.strategy.passes_per_slice(members) * forward
    wanted = shared = new = encoders = 0
    saved = 0.0
    rounds = []
    for number, steps in enumerate(plan.iterations):
        validations = config.train.validations(steps) * plan.val_slices * forward
        train, embed = members * (steps * step + validations), 0.0
        if number >= done:
            wanted += members
            if number == 0 and config.starts_at_random:
                shared = reuse.trainings(config, plan)
                saved += train * shared / members
                train -= train * shared / members
            for training in _encoders(config, selects=number == max(first, done), covers=number == done):
                encoders += 1
                fit = clock.encoder_slice(training, config, plan) * plan.pool * training.epochs
                if reuse.claim_encoder(training, config, plan):
                    new, embed = new + 1, embed + fit
                else:
                    saved += fit
        rounds.append(Round(embed, look if number >= first else 0.0, train, evaluate))
    return Course(
        tuple(rounds),
        plan.iterations,
        done,
        wanted,
        shared,
        encoders,
        new,
        saved,
        seed=config.seed,
        labelled=plan.budgets,
        pool=plan.pool,
    )


def _encoders(config: RunConfig, selects: bool, covers: bool) -> Iterator[Contrastive]:
    """Yield the encoders that a round needs for the strategy if it ``selects``, and for the cover radius."""
    from alseg_core.embed.contrastive import Contrastive

    if selects and isinstance(config.recipe.embed, Contrastive):
        yield config.recipe.embed
    if covers and isinstance(config.cover, Contrastive):
        yield config.cover
