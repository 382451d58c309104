"""What the runs of a study will do, what of it is there already, and about how long the rest takes on this machine."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.planning.stopwatch import Clock, depth

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.data.slices import Slices
    from alseg_core.data.splits import Split
    from alseg_core.embed.contrastive import Contrastive
    from alseg_core.loop import Plan
    from alseg_core.store import Store

PASSES = 0.35
"""Time of a slice in a forward pass, as a share of its time in a training step."""
SURFACE_S = 0.05
"""Seconds that surface distances of one test volume and class take."""


@dataclass(frozen=True)
class Round:
    """Expected seconds of a round's phases, in their order."""

    embed: float = 0.0
    select: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0

    @property
    def seconds(self) -> float:
        """Of the whole round."""
        return self.embed + self.select + self.train + self.evaluate


@dataclass(frozen=True)
class Course:
    """Expected course of one run. done: rounds that are on disk. steps: training steps of a network in each round.

    trainings, encoders: that its rounds still want. shared_trainings: of them that the store holds or another run of
    the study does. new_encoders: those that it will train, for itself and whoever else wants them. saved: seconds that
    it would take to do itself what it shares.
    """

    rounds: tuple[Round, ...]
    steps: tuple[int, ...]
    done: int = 0
    trainings: int = 0
    shared_trainings: int = 0
    encoders: int = 0
    new_encoders: int = 0
    saved: float = 0.0

    @classmethod
    def even(cls, rounds: int) -> Course:
        """Of a run of which nothing is known: every round takes as long as the others and is nothing but training."""
        return cls((Round(train=1.0),) * rounds, (1,) * rounds)

    def until(self, rounds: int) -> float:
        """Seconds of the first rounds."""
        return sum(part.seconds for part in self.rounds[:rounds])

    @property
    def seconds(self) -> float:
        """Of all rounds."""
        return self.until(len(self.rounds))

    @property
    def left(self) -> float:
        """Seconds of the rounds that are not on disk."""
        return self.seconds - self.until(self.done)

    def at(self, number: int, phase: str, run_fraction: float) -> float:
        """Seconds of the run that are gone at an :class:`alseg_core.events.Progress`."""
        now, gone = self.rounds[number], self.until(number)
        name, _, percent = phase.partition(" ")
        share = float(percent.removesuffix("%")) / 100 if percent else 0.0
        if name == "embed":
            return gone + share * now.embed
        gone += now.embed
        if name == "select":
            return gone
        gone += now.select
        if name == "train":
            trained = (run_fraction * sum(self.steps) - sum(self.steps[:number])) / self.steps[number]
            return gone + min(max(trained, 0.0), 1.0) * now.train
        return gone + now.train + share * now.evaluate


@dataclass(frozen=True)
class Forecast:
    """Of a study's runs. courses: by key, those that are finished too. places: runs at once, None = not known here.

    measured: whether seconds are seconds; else they tell shares of the whole. distinct_encoders: that the rest of the
    study wants. disk: bytes that it leaves in run folders; stored: in the store.
    """

    courses: Mapping[str, Course]
    places: int | None
    measured: bool
    distinct_encoders: int = 0
    disk: int = 0
    stored: int = 0

    @property
    def left(self) -> dict[str, float]:
        """Seconds left of each unfinished run, the longest first: the order in which they should start."""
        unfinished = {key: course for key, course in self.courses.items() if course.done < len(course.rounds)}
        return {key: c.left for key, c in sorted(unfinished.items(), key=lambda item: -item[1].left)}

    @property
    def wall(self) -> float:
        """Seconds until the last run ends."""
        return wall(list(self.left.values()), self.places or 1)

    def total(self, what: str) -> Any:
        """Sum of a field of the courses: trainings, shared_trainings, encoders, new_encoders or saved."""
        return sum(getattr(course, what) for course in self.courses.values())


def wall(durations: Sequence[float], places: int) -> float:
    """Seconds that runs take together, ``places`` at once, the longest first."""
    ends = [0.0] * places
    for seconds in sorted(durations, reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def forecast(
    configs: Sequence[RunConfig],
    plans: Mapping[str, Plan],
    done: Mapping[str, int],
    store: Store,
    clock: Clock,
    places: int | None,
) -> Forecast:
    """plans, done: by key, what a run will do and how many of its rounds are on disk.

    What runs share counts for the first of them, and nothing where the store has it already.
    """
    there = _There(store)
    courses = {config.key: _course(config, plans[config.key], done[config.key], there, clock) for config in configs}
    left = [config for config in configs if done[config.key] < len(plans[config.key].budgets)]
    weights: dict[str, int] = {}
    disk, stored = 0, there.encoder_bytes
    for config in left:
        plan, kind = plans[config.key], repr(config.train.network)
        if kind not in weights:
            weights[kind] = _network_bytes(config, plan)
        disk += _folder_bytes(config, plan, weights[kind])
        if config.starts_at_random and not done[config.key]:
            stored += (config.members - courses[config.key].shared_trainings) * weights[kind]
    return Forecast(courses, places, clock.measured, len(there.encoders), disk, stored)


def _course(config: RunConfig, plan: Plan, done: int, there: _There, clock: Clock) -> Course:
    count, members = len(plan.budgets), config.members
    step = clock.step(config, plan) if done < count else 0.0
    forward = PASSES * step / (config.train.batch * depth(config, plan))
    evaluate = (plan.test_slices if config.evaluate.part == "test" else plan.val_slices) * forward
    if config.evaluate.surface and clock.measured:
        evaluate += plan.test_volumes * (len(config.dataset.classes) - 1) * SURFACE_S
    first = 1 if config.starts_at_random else 0  # the first round in which the strategy itself is asked
    look = plan.pool * config.recipe.strategy.passes_per_slice(members) * forward
    wanted = shared = new = encoders = 0
    saved = 0.0
    rounds = []
    for number, steps in enumerate(plan.iterations):
        validations = math.ceil(steps / config.train.validate_every) * plan.val_slices * forward
        train, embed = members * (steps * step + validations), 0.0
        if number >= done:
            wanted += members
            if number == 0 and config.starts_at_random:
                shared = there.trainings(config, plan)
                saved += train * shared / members
                train -= train * shared / members
            for training in _encoders(config, asks=number == max(first, done), covers=number == done):
                encoders += 1
                fit = clock.encoder_slice(training, config, plan) * plan.pool * training.epochs
                if there.claim(training, config, plan):
                    new, embed = new + 1, embed + fit
                else:
                    saved += fit
        rounds.append(Round(embed, look if number >= first else 0.0, train, evaluate))
    return Course(tuple(rounds), plan.iterations, done, wanted, shared, encoders, new, saved)


def _encoders(config: RunConfig, asks: bool, covers: bool) -> Iterator[Contrastive]:
    """Encoders that a round wants for the strategy, where that ``asks``, and for the cover radius."""
    from alseg_core.embed.contrastive import Contrastive

    if asks and isinstance(config.recipe.embed, Contrastive):
        yield config.recipe.embed
    if covers and isinstance(config.cover, Contrastive):
        yield config.cover


@dataclass
class _There:
    """What need not be computed again: the store holds it, or a run that was asked about before will.

    encoders: names of all that were asked about. encoder_bytes: that the new ones take in the store.
    """

    store: Store
    encoders: set[str] = field(default_factory=set)
    encoder_bytes: int = 0
    _claimed: set[str] = field(default_factory=set)
    _pools: dict[str, tuple[Split, Slices]] = field(default_factory=dict)
    _kept: set[str] | None = None

    def claim(self, training: Contrastive, config: RunConfig, plan: Plan) -> bool:
        """Whether this run trains the encoder."""
        from alseg_core.embed.embedder import store_key
        from alseg_core.models.resnet import FEATURES, ResNetEncoder
        from alseg_core.store import KEY

        slices = self._pool(config, plan)[1]
        entry = self.store.entry("encoder", store_key(training, slices, plan.data_key, config.seed))
        known = entry.name in self.encoders or (entry / KEY).exists()
        self.encoders.add(entry.name)
        if known:
            return False
        self.encoder_bytes += _bytes(ResNetEncoder(slices.channels)) + plan.pool * FEATURES * 4
        return True

    def trainings(self, config: RunConfig, plan: Plan) -> int:
        """Networks of the run's random first round that it will find, or wait for, and not train."""
        from alseg_core.first_round import FirstTraining, kept_names, random_slices

        split, slices = self._pool(config, plan)
        positions = random_slices(plan.pool, plan.budgets[0], config.seed)
        first = FirstTraining.of(
            config, plan.data_key, slices.table, positions, split.val, plan.iterations[0], device_kind(config)
        )
        if self._kept is None:
            self._kept = kept_names(self.store)
        names = {first.name(member) for member in range(config.members)}
        found = len(names & (self._kept | self._claimed))
        self._claimed.update(names)
        return found

    def _pool(self, config: RunConfig, plan: Plan) -> tuple[Split, Slices]:
        """Split of the run's cases, and the slices of its training cases."""
        from alseg_core.data.prepared import Prepared

        name = f"{plan.data_key}{config.dataset.split!r}"
        if name not in self._pools:
            prepared = Prepared.open(self.store.root / "prepared" / plan.data_key)
            split = config.dataset.split.assign(prepared.cases)
            self._pools[name] = split, prepared.slices(split.train)
        return self._pools[name]


def device_kind(config: RunConfig) -> str:
    """ "cpu" or "cuda", of a run that may go on elsewhere."""
    return (config.resolve_device() if config.device == "auto" else config.device).partition(":")[0]


def _bytes(module: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


def _network_bytes(config: RunConfig, plan: Plan) -> int:
    import dataclasses

    network: Any = config.train.network
    if hasattr(network, "weights"):  # their size is that of the file's, and it need not be read
        network = dataclasses.replace(network, weights=None)
    return _bytes(network.build(plan.channels, len(config.dataset.classes)))


def _folder_bytes(config: RunConfig, plan: Plan, network: int) -> int:
    """About what a run folder holds when the run is finished: records, pictures, features, perhaps the network."""
    from alseg_core.exhibits import EXAMPLE_SIZE, EXAMPLES, POINTS, SELECTED, SELECTED_SIZE

    records = len(plan.budgets) * plan.test_volumes * len(config.dataset.classes) * 150 + plan.budgets[-1] * 100
    pictures = min(plan.test_volumes, EXAMPLES) * min(plan.size, EXAMPLE_SIZE) ** 2
    pictures += min(plan.budgets[0], SELECTED) * SELECTED_SIZE**2
    features = 0 if config.recipe.embed is None else min(plan.pool, POINTS) * 80
    return records + pictures + features + config.keep_network * network
