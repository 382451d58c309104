"""The active-learning loop: rounds of select -> annotate -> train -> evaluate. The only place where the rooms meet."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from alseg_core import checkpoint, exhibits, seeding
from alseg_core.config import RunConfig
from alseg_core.data.prepare import Progress as PrepareProgress
from alseg_core.data.prepare import prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.slices import Slices
from alseg_core.data.splits import Split
from alseg_core.device.memory import keep_freed, peak_mb, return_freed
from alseg_core.embed import EmbedContext, Embedder, Embedding
from alseg_core.errors import DataError, ResultsError
from alseg_core.evaluate import Validation, summarise
from alseg_core.events import Event, Listener, Progress, RoundFinished, RunStarted
from alseg_core.first_round import FirstTraining, random_slices
from alseg_core.geometry.kcenter import cover_radius
from alseg_core.oracles import Ledger, Vault
from alseg_core.pool import Pool
from alseg_core.registry import describe
from alseg_core.results import RunFolder
from alseg_core.signals import ReferenceSignals, Signals
from alseg_core.store import Store
from alseg_core.strategies import Strategy
from alseg_core.strategies.random import Random
from alseg_core.training import RANDOM, NetworkTrainer
from alseg_core.training.batches import TrainingSet, whole_volumes
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member, kept_training
from alseg_core.vocabulary import IntArray, RoundRecord, Selection


@dataclass(frozen=True)
class Plan:
    """What a run will do: known before any training.

    pool, val_slices, test_slices: slices of each part. budgets: cumulative labelled slices of each round. iterations:
    training steps of one network in each round. channels, size: of the network's input. data_key: of the prepared data.
    """

    pool: int
    budgets: tuple[int, ...]
    iterations: tuple[int, ...]
    val_slices: int
    test_slices: int
    test_volumes: int
    channels: int
    size: int
    data_key: str


@dataclass(frozen=True, eq=False)
class Material:
    """The prepared data of a run, divided."""

    folder: Path
    prepared: Prepared
    split: Split
    slices: Slices
    counts: tuple[int, ...]


def open_material(config: RunConfig, store: Store, progress: PrepareProgress | None = None) -> Material:
    """Prepare the data (once, through the store) and check split, annotation and budgets against them.

    Raises DataError and ConfigError: every complaint about data and settings, before any training.
    """
    root = Path(config.dataset.root) if config.dataset.root else None
    refs = config.dataset.reader.scan(root)
    config.dataset.split.assign(refs)  # a split that cannot be is said before the reading
    folder = prepare(config.dataset.reader, root, config.dataset.prepare, store, progress, refs)
    prepared = Prepared.open(folder)
    split = config.dataset.split.assign(prepared.cases)
    for part in ("val", "test"):
        lacking = [case for case in getattr(split, part) if not prepared.info(case).has_mask]
        if lacking:
            raise DataError(f"{config.dataset.name}: {part} cases need masks; none for {', '.join(lacking[:5])}.")
    try:
        config.annotation.check([prepared.info(case) for case in split.train])
    except DataError as error:
        raise DataError(f"{config.dataset.name}, recipe {config.recipe.name!r}: {error}") from None
    if config.recipe.strategy.reads_ground_truth:
        lacking = [case for case in split.train if not prepared.info(case).has_mask]
        if lacking:
            raise DataError(
                f"recipe {config.recipe.name!r} reads ground truth, so training cases need masks; none for "
                f"{', '.join(lacking[:5])}. Leave the recipe out where there are none."
            )
    slices = prepared.slices(split.train)
    return Material(folder, prepared, split, slices, config.counts(len(slices)))


def plan(config: RunConfig, store: Store, progress: PrepareProgress | None = None) -> Plan:
    """What :func:`run` will do. Raises what :func:`open_material` raises."""
    material = open_material(config, store, progress)
    pool = len(material.slices)
    return Plan(
        pool=pool,
        budgets=material.counts,
        iterations=tuple(config.train.iterations(count, pool) for count in material.counts),
        val_slices=len(material.prepared.slices(material.split.val)),
        test_slices=len(material.prepared.slices(material.split.test)),
        test_volumes=len(material.split.test),
        channels=material.slices.channels,
        size=material.slices.size[0],
        data_key=material.prepared.key,
    )


def run(config: RunConfig, folder: Path, store: Store, listeners: Sequence[Listener] = ()) -> list[RoundRecord]:
    """Run the experiment, or go on with it at its last finished round; a finished one returns at once.

    A run stopped at any instant, by any means, and started again ends with the same selections as an undisturbed one.
    """
    device = config.resolve_device()
    torch.set_num_threads(config.threads)
    return_freed()  # of an earlier run in this process
    keep_freed()
    material = open_material(config, store)
    results = RunFolder(folder)
    with results.session(config.describe(), config.fingerprint, material.prepared.key):
        experiment = _Experiment(config, material, store, device, results, listeners)
        return experiment.run()


class _Announcer:
    """Tells the listeners how far the run is. steps: training steps of one network in each round."""

    def __init__(self, listeners: Sequence[Listener], steps: Sequence[int]) -> None:
        self.listeners = tuple(listeners)
        self.steps = tuple(steps)

    def emit(self, event: Event) -> None:
        """Pass an event on to every listener."""
        for listener in self.listeners:
            listener(event)

    def progress(self, number: int, phase: str, done: float = 0.0) -> None:
        """done: share of the round's training."""
        share = (sum(self.steps[:number]) + done * self.steps[number]) / sum(self.steps)
        self.emit(Progress(number, phase, share))


class _Experiment:
    """One run in progress."""

    def __init__(
        self,
        config: RunConfig,
        material: Material,
        store: Store,
        device: str,
        results: RunFolder,
        listeners: Sequence[Listener],
    ) -> None:
        self.config, self.material, self.device, self.results = config, material, device, results
        self.store = store
        self.classes = config.dataset.classes
        self.pool = Pool(len(material.slices))
        self.ensemble: Ensemble | None = None
        self.start: str | None = None  # what the first round's networks started from
        self.random_start = False  # the first round has the slices of the random baseline
        steps = [config.train.iterations(count, len(self.pool)) for count in material.counts]
        self.announcer = _Announcer(listeners, steps)

    def run(self) -> list[RoundRecord]:
        """All rounds that are not finished yet."""
        records = self.results.records()
        self.announcer.emit(RunStarted(self.material.counts, len(self.pool), tuple(records)))
        if len(records) < len(self.material.counts):
            metrics = [scorer.metric for scorer in self.config.evaluate.metrics]
            self.results.save_environment(self.device, self.config.threads, self._sizes(), metrics)
            self._replay(records)
            for number in range(len(records), len(self.material.counts)):
                records.append(self._round(number))
                self.announcer.emit(RoundFinished(records[-1]))
        self.results.drop_states()
        return records

    def _replay(self, records: Sequence[RoundRecord]) -> None:
        """Bring pool and networks to where the last finished round left them; bought labels are not billed again."""
        table = self.material.slices.table
        position = {table.locate(i): i for i in range(len(table))}
        vault = self._vault()
        for record in records:
            picks = np.array([position[str(s["case"]), int(str(s["z"]))] for s in record.selected], dtype=np.int64)
            self._annotate(picks, record.round, vault)
        if records:
            self.start = str(records[0].signals.get("network", RANDOM))
            state = self.results.load_state(records[-1].round)
            channels = self.material.slices.channels
            self.ensemble = Ensemble.restore(state, self.config.train, channels, len(self.classes), self.device)

    def _round(self, number: int) -> RoundRecord:
        """Select, annotate, train, evaluate; the record is on disk when this returns."""
        vault = self._vault()
        seconds: dict[str, float] = {}
        # a strategy that needs a network starts with the very slices that the random baseline starts with
        strategy = Random() if self.config.starts_at_random and self.ensemble is None else self.config.recipe.strategy
        with _timed(seconds, "embed"):
            # here and not when the view is asked: what computes an embedding leads to files, and a view must not
            embed = self.config.recipe.embed if strategy.needs_embedding else None
            embedding = None if embed is None else self._embed(embed, number)
        with _timed(seconds, "select"):
            selection = self._select(number, strategy, embedding, vault)
        with _timed(seconds, "annotate"):
            self._annotate(selection.positions, number, vault)
        with _timed(seconds, "train"):
            ensemble, training, elsewhere = self._train(number, vault)
        seconds["train"] += elsewhere
        with _timed(seconds, "evaluate"):
            best = ensemble.members[ensemble.best].network
            prepared, part = self.material.prepared, self.config.evaluate.part
            cases = self.material.split.test if part == "test" else self.material.split.val
            last = number + 1 == len(self.material.counts)
            pictures = exhibits.Examples(prepared, cases, vault) if last and part == "test" else None
            rows = self.config.evaluate.volumes(
                best,
                prepared,
                cases,
                vault,
                self.classes,
                self.device,
                lambda share: self.announcer.progress(number, f"evaluate {share:.0%}", done=1.0),
                self.config.threads,
                pictures,
            )
        with _timed(seconds, "cover"):
            radius, cover_facts = self._cover(number)
        if last:
            self._keep(ensemble, pictures, embedding)
        marked, foreground = self.pool.pixels
        record = RoundRecord(
            round=number,
            labelled=len(self.pool.labelled),
            fraction=len(self.pool.labelled) / len(self.pool),
            cost=self.pool.cost,
            cover_radius=radius,
            selected=self._selected(selection),
            members=[{"validation_dice": m.validation_dice, "iterations": m.iterations} for m in ensemble.members],
            best=ensemble.best,
            volumes=rows,
            summary={
                **summarise(rows, self.classes, self.config.evaluate.table),
                "validation_dice": ensemble.members[ensemble.best].validation_dice,
            },
            seconds={part: round(value, 3) for part, value in seconds.items()},
            ledger=vault.ledger.drain(),
            signals={
                "labels": self._origin(),
                **training,
                **cover_facts,
                **({"store": "; ".join(self.store.notes)} if self.store.notes else {}),
                **({} if embedding is None else embedding.facts),
            },
            peak_mb=peak_mb(),
            marked=marked,
            foreground=foreground,
        )
        self.results.save_state(number, ensemble.state())
        self.results.append(record)
        self.results.drop_states(keep=number)
        self.ensemble = ensemble
        return record

    def _keep(self, ensemble: Ensemble, pictures: exhibits.Examples | None, embedding: Embedding | None) -> None:
        """What reports draw, and the network where it is asked for."""
        slices, results = self.material.slices, self.results
        if pictures is not None:
            results.save_arrays("examples", pictures.arrays())
        first = self.material.counts[0]
        positions, labels = self.pool.labels()
        results.save_arrays("selected", exhibits.selected(slices, positions[:first], labels[:first]))
        if embedding is not None:
            results.save_arrays("embedding", exhibits.embedding(slices, embedding.features, self.pool.labelled))
        trainer = self.config.train
        if self.config.keep_network and isinstance(trainer, NetworkTrainer):
            best = ensemble.members[ensemble.best]
            checkpoint.save(results.path, best, trainer.network, slices.channels, self.classes)

    def _sizes(self) -> dict[str, object]:
        """Patients, volumes and slices of each part, training steps of one network in each round."""
        prepared, split = self.material.prepared, self.material.split
        parts = {"train": split.train, "val": split.val, "test": split.test}
        infos = {part: [prepared.info(case) for case in cases] for part, cases in parts.items()}
        return {
            "patients": {part: len({info.patient for info in of}) for part, of in infos.items()},
            "volumes": {part: len(of) for part, of in infos.items()},
            "slices": {part: sum(info.depth for info in of) for part, of in infos.items()},
            "iterations": list(self.announcer.steps),
            "data_key": prepared.key,
        }

    def _select(self, number: int, strategy: Strategy, embedding: Embedding | None, vault: Vault) -> Selection:
        """Ask the strategy for the round's slices, through a view that leads to bought labels alone."""
        recipe, slices = self.config.recipe, self.material.slices
        budget = self.material.counts[number] - len(self.pool.labelled)
        features = None if embedding is None else embedding.features
        nothing = np.zeros(0, np.int64), np.zeros((0, *slices.size), np.uint8)
        seen = (
            slices,
            self.pool.labelled,
            self.pool.unlabelled,
            self.ensemble,
            features,
            self.pool.labels() if len(self.pool.labelled) else nothing,
            len(self.classes),
            number,
            len(self.material.counts),
            self.device,
        )
        view = Signals(*seen)
        if strategy.reads_ground_truth:
            view = ReferenceSignals(
                *seen, read_masks=lambda: vault.masks(slices.rows, recipe.name, "ground truth for reference")
            )
        self.announcer.progress(number, "select")
        selection = strategy.select(view, budget, seeding.stream(self.config.seed, "strategy", number))
        self.pool.check(selection, budget)
        if number == 0:
            random = random_slices(len(self.pool), budget, self.config.seed)
            self.random_start = np.array_equal(selection.positions, random)
        return selection

    def _origin(self) -> str:
        prepared = self.material.prepared
        return self.config.annotation.origin([prepared.info(case) for case in self.material.split.train])

    def _annotate(self, positions: IntArray, number: int, vault: Vault) -> None:
        annotation = self.config.annotation.annotate(vault, self.material.slices, positions, self.config.seed)
        self.pool.add(annotation, number)

    def _train(self, number: int, vault: Vault) -> tuple[Ensemble, dict[str, object], float]:
        """The round's networks, each from scratch on everything labelled so far, and facts about their training.

        Third: seconds that other runs spent on trainings that were found, less those of finding or waiting for them.
        """
        slices, device, classes = self.material.slices, self.device, len(self.classes)
        trainer, count = self.config.train, self.config.members
        bought = self.pool.labels()
        positions, labels = whole_volumes(slices.table, *bought) if trainer.volumetric else bought
        # validation masks are read every round and bought once
        cost = 1.0 if number == 0 else 0.0
        validation = Validation.load(self.material.prepared, self.material.split.val, vault, classes, device, cost)
        data = TrainingSet.of(
            slices.images(positions), labels, slices.table.volume[positions], slices.table.z[positions], device
        )
        fill = self.config.annotation.fill
        steps = self.announcer.steps[number]

        def train(member: int) -> Member:
            return trainer.fit(
                data,
                classes,
                steps,
                fill,
                validation,
                seeding.stream(self.config.seed, "train", number, member),
                lambda step: self.announcer.progress(number, "train", done=(member + step / steps) / count),
            )

        start = self._checked_start()
        facts: dict[str, object] = {} if start == RANDOM else {"network": start}
        if number > 0 or not self.random_start:
            return Ensemble([train(member) for member in range(count)], device), facts, 0.0
        # recipes that start with the same random slices train the same networks, so one of them does it for all
        members, makers, elsewhere, own = [], set(), 0.0, self.config.fingerprint
        first, annotation = self._first_training(steps), describe(self.config.annotation)
        for member in range(count):
            begun = time.perf_counter()
            key = first.key(member, bought[1])
            kept = kept_training(self.store, key, annotation, own, lambda member=member: train(member))  # type: ignore[misc]
            elsewhere += kept.seconds - (time.perf_counter() - begun)
            members.append(Member.restore(kept.state, trainer, slices.channels, classes, device))
            makers.add(kept.maker)
        # a run that was cut off may find what it has trained itself
        training = "own" if own in makers else "shared"
        return Ensemble(members, device), {**facts, "training": training}, elsewhere

    def _checked_start(self) -> str:
        """What the networks start from. Raises ResultsError when it is no longer what it was in the first round."""
        start = self.config.train.start()
        before = self.start or start
        if _content(start) != _content(before):
            raise ResultsError(
                f"run folder {self.results.path}: the networks of its first round started from {before}, the weights "
                f"are now {start}. Put the former file back, or delete the folder to run afresh."
            )
        self.start = before
        return start

    def _first_training(self, steps: int) -> FirstTraining:
        material, (positions, _) = self.material, self.pool.labels()
        return FirstTraining.of(
            self.config,
            material.prepared.key,
            material.slices.table,
            positions,
            material.split.val,
            steps,
            self.device,
        )

    def _cover(self, number: int) -> tuple[float, dict[str, object]]:
        """Cover radius (Eq. 2) of what is labelled, in the reference embedding that all recipes share."""
        embedding = self._embed(self.config.cover, number)
        return cover_radius(embedding.features, self.pool.labelled, self.device), embedding.facts

    def _embed(self, embedder: Embedder, number: int) -> Embedding:
        context = EmbedContext(
            slices=self.material.slices,
            data_key=self.material.prepared.key,
            seed=self.config.seed,
            device=self.device,
            store=self.store,
            model=self.ensemble,
            progress=lambda share: self.announcer.progress(number, f"embed {share:.0%}"),
        )
        return embedder.embed(context)

    def _vault(self) -> Vault:
        sealed = self.material.split.test if self.config.evaluate.part == "val" else ()
        return Vault(self.material.folder, self.material.prepared, Ledger(), frozenset(sealed))

    def _selected(self, selection: Selection) -> list[dict[str, object]]:
        table = self.material.slices.table
        scores = selection.scores if selection.scores is not None else np.full(len(selection.positions), math.nan)
        out: list[dict[str, object]] = []
        for position, score in zip(selection.positions, scores, strict=True):
            case, z = table.locate(int(position))
            out.append({"case": case, "z": z, "score": float(score) if math.isfinite(score) else None})
        return out


def _content(start: str) -> str:
    """What a network starts from without the name of the file: it may be renamed."""
    return start.rpartition(", ")[2]


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[part] = time.perf_counter() - start
