"""The active-learning loop: rounds of select -> annotate -> train -> evaluate. The only place where the rooms meet."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alseg_core import checkpoint, exhibits, resume, seeding
from alseg_core.config import RunConfig
from alseg_core.device.memory import keep_freed, peak_mb, return_freed
from alseg_core.device.repeatable import repeatable
from alseg_core.embed import EmbedContext, Embedder, Embedding
from alseg_core.embed.appraisal import appraise
from alseg_core.embed.embedder import CPU_SECONDS
from alseg_core.embed.quality import QUALITY
from alseg_core.errors import LabelsAwaited, ResultsError
from alseg_core.evaluate import summarise
from alseg_core.events import Announcer, Listener, Noticed, RoundFinished, RunStarted
from alseg_core.first_round import random_slices
from alseg_core.geometry.kcenter import cover_radius
from alseg_core.material import Material, open_material
from alseg_core.metrics import by_slice
from alseg_core.metrics.means import mean_defined
from alseg_core.oracles import Vault
from alseg_core.oracles.annotator import LABEL_DICE
from alseg_core.pending import NAME as PENDING
from alseg_core.pending import Pending
from alseg_core.pool import Pool
from alseg_core.provenance import maker
from alseg_core.results import RunFolder
from alseg_core.round_training import RoundTraining, Trained
from alseg_core.signals import ReferenceSignals, Signals
from alseg_core.store import Store
from alseg_core.strategies import Strategy
from alseg_core.strategies.random import Random
from alseg_core.timesheet import Timesheet
from alseg_core.training import RANDOM, NetworkTrainer
from alseg_core.training.inference import Ensemble
from alseg_core.vocabulary import Annotation, IntArray, LabelArray, RoundRecord, Selection


def run(
    config: RunConfig, folder: Path, store: Store, listeners: Sequence[Listener] = (), most: int | None = None
) -> list[RoundRecord]:
    """Run an experiment, or continue it after its last finished round; return the records of all rounds.

    most: stop after so many rounds in all; None = those of the budgets.

    A run that is interrupted at any instant, by any means, and started again ends with the same selections as an
    uninterrupted one. Models that are lost or damaged meanwhile are trained again from the labels of their round.
    Where people give the labels, the run stops in a round with LabelsAwaited until they are there (the choice of the
    round is in ``pending.json``), and goes on from that point when it is started again. Raises ResultsError when
    ``folder`` belongs to another run, or when its finished rounds are damaged.
    """
    device = config.resolve_device()
    torch.set_num_threads(min(config.threads, os.cpu_count() or 1))  # more would wait for one another
    return_freed()  # memory of an earlier run in this process
    keep_freed()
    material = open_material(config, store)
    results = RunFolder(folder)
    with results.session(config.describe(), config.fingerprint, material.prepared.key) as mended:
        experiment = _Experiment(config, material, store, device, results, listeners)
        return experiment.run(mended, most)


@dataclass(frozen=True, eq=False)
class _Choice:
    """The slices that a round selects, and what selecting them took."""

    selection: Selection
    embedding: Embedding | None
    """None without one, or when the round was chosen before an interruption."""
    seconds: dict[str, float]
    cpu: dict[str, float]
    signals: dict[str, object]
    """What embedding and appraisal report."""
    selected: list[dict[str, Any]]
    """The entries of the record."""


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
        self.timesheet = Timesheet(config, material)
        self.ensemble: Ensemble | None = None
        self.first_start = self.start = ""  # Trainer.start() of the first round and of this one
        self.made_by = maker(device)
        self.embedded = False  # whether an earlier round had an embedding
        self.announcer = Announcer(listeners, config.steps(len(self.pool)))

    def run(self, mended: Sequence[str] = (), most: int | None = None) -> list[RoundRecord]:
        """Run the rounds that are not finished yet; return the records of all.

        mended: what was damaged in the run folder and has been written again. most: rounds in all, None = every one.
        """
        records = self.results.records()
        self.announcer.emit(RunStarted(self.material.counts, len(self.pool), tuple(records)))
        for text in (*mended, *resume.lost(self.results, records, len(self.material.counts))):
            self._notice(text)
        if len(records) < len(self.material.counts):
            for text in resume.environment(self.results, records, self.made_by, self._save_environment):
                self._notice(text)
            self._replay(records)
            for number in range(len(records), min(len(self.material.counts), most or len(self.material.counts))):
                records.append(self._round(number))
                self.announcer.emit(RoundFinished(records[-1]))
        if not self.config.waits:  # another round may follow
            self.results.drop_states()
        return records

    def _notice(self, text: str) -> None:
        self.announcer.emit(Noticed(text))

    def _save_environment(self) -> None:
        sizes = {**self.material.sizes(), "iterations": list(self.announcer.steps)}
        metrics = [scorer.metric for scorer in self.config.evaluate.metrics]
        self.results.save_environment(self.device, torch.get_num_threads(), sizes, metrics)

    def _replay(self, records: Sequence[RoundRecord]) -> None:
        """Bring pool and models to the state after the last finished round; bought labels are not billed again."""
        vault, bought = self._vault(), resume.picks(records, self.material.slices.table)
        for number, positions in enumerate(bought):
            try:
                self._annotate(positions, number, vault)
            except LabelsAwaited as error:
                raise ResultsError(f"the labels of round {number + 1} were there and are gone: {error}") from None
        self.embedded = any("embed" in record.cpu_seconds for record in records)
        if records:
            self.timesheet.resume(records[-1])
            self.first_start = str(records[0].signals.get("network", RANDOM))
            self.ensemble = self._restore(records[-1], bought[-1])

    def _restore(self, record: RoundRecord, picks: IntArray) -> Ensemble:
        """Return the models of the last finished round, which selected ``picks``."""
        channels = self.material.slices.channels
        try:
            state = self.results.load_state(record)
        except ResultsError as error:
            self._notice(f"{error}; the networks of round {record.round + 1} are trained again from its labels")
            return self._train_again(record, picks)
        return Ensemble.restore(state, self.material.trainer, channels, len(self.classes), self.device)

    def _train_again(self, record: RoundRecord, picks: IntArray) -> Ensemble:
        """Train the models of a finished round again: they depend only on labels, settings and seed."""
        ensemble = self._train(record.round, Selection(picks), self._vault()).ensemble
        if _described(ensemble) != record.members:
            self._notice(
                f"the networks of round {record.round + 1} are not those of its first training, as happens with other "
                "code or on another machine: what follows may differ from an uninterrupted run"
            )
        self.results.save_state(record.round, ensemble.state())
        return ensemble

    def _round(self, number: int) -> RoundRecord:
        """Select, annotate, train, evaluate; the record is on disk when this returns."""
        vault = self._vault()
        choice = self._pending(number) or self._choose(number, vault)
        selection, embedding, seconds, cpu = choice.selection, choice.embedding, choice.seconds, choice.cpu
        with _timed(seconds, "annotate"):
            annotation = self._annotate(selection.positions, number, vault)
        self.timesheet.add(annotation, self.ensemble)
        with _timed(seconds, "train"):
            trained = self._train(number, selection, vault)
        if trained.bought is not None:
            self.timesheet.add_validation(trained.bought)
        seconds["train"] += trained.seconds_elsewhere
        with _timed(seconds, "evaluate"):
            rows, slices, pictures = self._evaluate(number, trained.ensemble, vault)
        with _timed(seconds, "cover"):
            reference = self._embed(self.config.cover, number)
            radius = cover_radius(reference.features, self.pool.labelled, self.device)
        if number + 1 == len(self.material.counts) and not self.config.waits:
            self._keep(trained.ensemble, pictures, embedding)
        ensemble, (marked, foreground) = trained.ensemble, self.pool.pixels
        record = RoundRecord(
            round=number,
            labelled=len(self.pool.labelled),
            fraction=len(self.pool.labelled) / len(self.pool),
            cost=self.pool.cost,
            cover_radius=radius,
            selected=choice.selected,
            members=_described(ensemble),
            best=ensemble.best,
            volumes=rows,
            summary={
                **summarise(rows, self.classes, self.config.evaluate.table),
                **(by_slice.summary(slices) if slices else {}),
                "validation_dice": ensemble.members[ensemble.best].validation_dice,
            },
            seconds={part: round(value, 3) for part, value in seconds.items()},
            ledger=vault.ledger.drain(),
            signals=self._facts(trained, reference) | _errors(annotation) | choice.signals,
            peak_mb=peak_mb(),
            marked=marked,
            foreground=foreground,
            seed=self.config.seed,
            fingerprint=self.config.fingerprint,
            data_key=self.material.prepared.key,
            made_by=self.made_by,
            cpu_seconds={part: round(value, 3) for part, value in cpu.items()},
            slices=slices,
            minutes=self.timesheet.pool,
            validation_minutes=self.timesheet.validation,
            ended=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self.results.save_state(number, ensemble.state())
        record = self.results.append(record)
        (self.results.path / PENDING).unlink(missing_ok=True)
        self.results.drop_states(keep=number)
        self.ensemble = ensemble
        return record

    def _choose(self, number: int, vault: Vault) -> _Choice:
        """Select the slices of a round; where people annotate them, the choice is on disk when this returns."""
        seconds, cpu = dict[str, float](), dict[str, float]()
        # a strategy that needs a network starts with the very slices that the random baseline starts with
        strategy = Random() if self.config.starts_at_random and self.ensemble is None else self.config.recipe.strategy
        with _timed(seconds, "embed", cpu):
            # not in the view: an embedder may open files, and the view must not lead to any
            embed = self.config.recipe.embed if strategy.needs_embedding else None
            embedding = None if embed is None else self._embed(embed, number)
        with _timed(seconds, "appraise"):  # not a cost of the recipe
            known = {} if embed is None or embedding is None else self._appraise(embed, embedding, number)
        self._count_making(cpu, embedding)
        with _timed(seconds, "select", cpu):
            selection = self._select(number, strategy, embedding, vault)
        signals = ({} if embedding is None else dict(embedding.facts)) | known | selection.facts
        choice = _Choice(selection, embedding, seconds, cpu, signals, self.material.entries(selection))
        if self.config.waits:
            self._keep_pending(number, choice)
        return choice

    def _keep_pending(self, number: int, choice: _Choice) -> None:
        """Keep what a round asks people for."""
        Pending(
            number,
            choice.selected,
            self.config.fingerprint,
            self.material.prepared.key,
            {part: round(value, 3) for part, value in choice.seconds.items()},
            {part: round(value, 3) for part, value in choice.cpu.items()},
            choice.signals,
        ).write(self.results.path)

    def _pending(self, number: int) -> _Choice | None:
        """Return what a round has asked people for already, or None."""
        pending = Pending.read(self.results.path) if self.config.waits else None
        if pending is None or pending.round < number:
            return None
        if (pending.round, pending.fingerprint, pending.data_key) != (
            number,
            self.config.fingerprint,
            self.material.prepared.key,
        ):
            raise ResultsError(
                f"run folder {self.results.path}: pending.json asks for slices of round {pending.round + 1} of another "
                f"run than this one, whose next round is {number + 1}; put back the files that belong together."
            )
        positions = resume.positions(pending.selected, self.material.slices.table)
        if positions is None or np.isin(positions, self.pool.labelled).any():
            raise ResultsError(
                f"run folder {self.results.path}: pending.json asks for slices that are not in the data, or that are "
                "labelled already; put back a copy of it."
            )
        if len(self.pool.labelled) + len(positions) != self.material.counts[number]:
            raise ResultsError(
                f"run folder {self.results.path}: pending.json asks for {len(positions)} slices, which makes "
                f"{len(self.pool.labelled) + len(positions)}, and the budget of round {number + 1} is "
                f"{self.material.counts[number]}."
            )
        scores = np.array([np.nan if entry["score"] is None else entry["score"] for entry in pending.selected])
        signals = dict(pending.signals)
        if pending.declined:
            signals["declined"] = pending.declined
        self.embedded = self.embedded or "embed" in pending.cpu_seconds
        seconds, cpu = dict(pending.seconds), dict(pending.cpu_seconds)
        return _Choice(Selection(positions, scores), None, seconds, cpu, signals, pending.selected)

    def _select(self, number: int, strategy: Strategy, embedding: Embedding | None, vault: Vault) -> Selection:
        """Ask the strategy for the round's slices, through a view that gives access to bought labels only."""
        slices, recipe = self.material.slices, self.config.recipe.name
        budget = self.material.counts[number] - len(self.pool.labelled)
        view = Signals(
            slices=slices,
            labelled=self.pool.labelled,
            unlabelled=self.pool.unlabelled,
            classes=len(self.classes),
            round=number,
            rounds=len(self.material.counts),
            device=self.device,
            ensemble=self.ensemble,
            features=None if embedding is None else embedding.features,
            purchases=self.pool.labels() if len(self.pool.labelled) else None,
        )
        if strategy.reads_ground_truth:
            view = ReferenceSignals(
                **vars(view), read_masks=lambda: vault.masks(slices.rows, recipe, "ground truth for reference")
            )
        self.announcer.progress(number, "select")
        with repeatable():
            selection = strategy.select(view, budget, seeding.stream(self.config.seed, "strategy", number))
        self.pool.check(selection, budget)
        return selection

    def _annotate(self, positions: IntArray, number: int, vault: Vault) -> Annotation:
        annotation = self.config.annotation.annotate(vault, self.material.slices, positions, self.config.seed)
        self.pool.add(annotation, number)
        return annotation

    def _train(self, number: int, selection: Selection, vault: Vault) -> Trained:
        self._check_start()
        first = random_slices(len(self.pool), len(selection.positions), self.config.seed) if number == 0 else None
        training = RoundTraining(
            self.config,
            self.material,
            self.pool,
            self.store,
            self.device,
            number,
            self.announcer.steps[number],
            lambda done: self.announcer.progress(number, "train", done),
        )
        return training.run(vault, share=first is not None and np.array_equal(selection.positions, first))

    def _check_start(self) -> None:
        """Raise ResultsError when models start from another file than in the first round; it may be renamed."""
        self.start = self.config.train.start()
        self.first_start = self.first_start or self.start
        if self.start.rpartition(", ")[2] != self.first_start.rpartition(", ")[2]:
            raise ResultsError(
                f"run folder {self.results.path}: the networks of its first round started from {self.first_start}, the "
                f"weights are now {self.start}. Put the former file back, or delete the folder to run afresh."
            )

    def _evaluate(
        self, number: int, ensemble: Ensemble, vault: Vault
    ) -> tuple[list[dict[str, object]], list[dict[str, object]], exhibits.Examples | None]:
        """Score the best model on volumes and, if asked, on slices; in the last round collect pictures of volumes."""
        prepared, part = self.material.prepared, self.config.evaluate.part
        if part == "none":
            return [], [], None
        cases = self.material.split.test if part == "test" else self.material.split.val
        last = number + 1 == len(self.material.counts)
        kept = last and not self.config.waits
        pictures = exhibits.Examples(prepared, cases, vault, part) if kept else None
        network = ensemble.members[ensemble.best].network
        slices: list[dict[str, object]] = []

        def seen(case: str, labels: LabelArray, truth: LabelArray) -> None:
            if pictures is not None:
                pictures(case, labels, truth)
            if self.config.evaluate.by_slice:
                slices.extend(self.config.evaluate.new_slices(prepared.info(case), labels, truth, self.classes))

        rows = self.config.evaluate.volumes(
            network,
            prepared,
            cases,
            vault,
            self.classes,
            self.device,
            lambda share: self.announcer.progress(number, f"evaluate {share:.0%}", done=1.0),
            torch.get_num_threads(),
            seen,
        )
        if self.config.evaluate.by_slice:
            annotated = self._annotated()
            slices += self.config.evaluate.slices(
                network, prepared, annotated, vault, self.classes, self.device, torch.get_num_threads()
            )
        return rows, slices, pictures

    def _annotated(self) -> dict[str, set[int]]:
        """Return case -> numbers of its annotated slices, of the volumes that have some."""
        found: dict[str, set[int]] = {}
        for position in self.pool.labelled:
            case, z = self.material.slices.table.locate(int(position))
            found.setdefault(case, set()).add(z)
        return dict(sorted(found.items()))

    def _facts(self, trained: Trained, reference: Embedding) -> dict[str, object]:
        """Return what the parts record about themselves."""
        facts: dict[str, object] = {
            "labels": self.config.annotation.origin(self.material.infos(self.material.split.train))
        }
        if self.start != RANDOM:
            facts["network"] = self.start
        if trained.shared is not None:
            facts["training"] = "shared" if trained.shared else "own"
        facts |= reference.facts
        if self.store.notes:
            facts["store"] = "; ".join(self.store.notes)
        return facts

    def _keep(self, ensemble: Ensemble, pictures: exhibits.Examples | None, embedding: Embedding | None) -> None:
        """Save what reports draw, and the best network where the configuration keeps it."""
        slices, results = self.material.slices, self.results
        if pictures is not None:
            results.save_arrays("examples", pictures.arrays())
        first = self.material.counts[0]
        positions, labels = self.pool.labels()
        results.save_arrays("selected", exhibits.selected(slices, positions[:first], labels[:first]))
        if embedding is not None:
            results.save_arrays("embedding", exhibits.embedding(slices, embedding.features, self.pool.labelled))
        trainer = self.material.trainer
        if self.config.keep_network and isinstance(trainer, NetworkTrainer):
            best = ensemble.members[ensemble.best]
            checkpoint.save(results.path, best, trainer.network, slices.channels, self.classes)

    def _embed(self, embedder: Embedder, number: int) -> Embedding:
        return embedder.embed(self._embed_context(number))

    def _count_making(self, cpu: dict[str, float], embedding: Embedding | None) -> None:
        """Make the first round with an embedding count what its making took, in whichever run."""
        if embedding is None:
            del cpu["embed"]
        elif not self.embedded:
            self.embedded = True
            cpu["embed"] = max(cpu["embed"], float(embedding.facts.get(CPU_SECONDS, 0.0)))

    def _appraise(self, embedder: Embedder, embedding: Embedding, number: int) -> dict[str, object]:
        """Return what the embedding knows without labels, for the record; no strategy sees it."""
        known = appraise(embedder, embedding, self._embed_context(number))
        return {
            QUALITY: {name: {k: round(v, 4) for k, v in asdict(measured).items()} for name, measured in known.items()}
        }

    def _embed_context(self, number: int) -> EmbedContext:
        return EmbedContext(
            slices=self.material.slices,
            data_key=self.material.prepared.key,
            seed=self.config.seed,
            device=self.device,
            store=self.store,
            model=self.ensemble,
            progress=lambda share: self.announcer.progress(number, f"embed {share:.0%}"),
        )

    def _vault(self) -> Vault:
        return self.material.vault(self.config.evaluate.part)


def _described(ensemble: Ensemble) -> list[dict[str, float | None]]:
    """Return what a record tells of the models."""
    return [{"validation_dice": m.validation_dice, "iterations": m.iterations} for m in ensemble.members]


def _errors(annotation: Annotation) -> dict[str, object]:
    """Return how far an annotator who errs was from the truth: the mean Dice over the round's slices."""
    known = None if annotation.truth_dice is None else mean_defined(annotation.truth_dice.tolist())
    return {} if known is None else {LABEL_DICE: round(known, 4)}


@contextmanager
def _timed(seconds: dict[str, float], part: str, cpu: dict[str, float] | None = None) -> Iterator[None]:
    """Record the time that a part takes, in ``cpu`` that of all threads of the process."""
    start, busy = time.perf_counter(), time.process_time()
    yield
    seconds[part] = time.perf_counter() - start
    if cpu is not None:
        cpu[part] = time.process_time() - busy
