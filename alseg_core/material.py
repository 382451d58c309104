"""The material of a run: its prepared data, divided into training, validation and test cases, and its plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alseg_core.config import RunConfig
from alseg_core.data.class_check import check_classes
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepare import Progress as PrepareProgress
from alseg_core.data.prepared import CaseInfo, Prepared
from alseg_core.data.slices import Slices
from alseg_core.data.splits import Split
from alseg_core.errors import DataError
from alseg_core.oracles import Ledger, Returned, Vault
from alseg_core.store import Store
from alseg_core.training import Trainer
from alseg_core.validation import Amount, chosen_slices
from alseg_core.vocabulary import AS_STORED, IntArray, Selection


@dataclass(frozen=True)
class Plan:
    """What a run will do, known before any training."""

    pool: int
    """Training slices."""
    budgets: tuple[int, ...]
    """Cumulative labelled slices of each round."""
    iterations: tuple[int, ...]
    """Training steps of one network in each round."""
    val_slices: int
    """Validation slices that are labelled and scored."""
    test_slices: int
    """Test slices."""
    test_volumes: int
    """Test volumes."""
    channels: int
    """Channels of the network's input."""
    size: int
    """Rows and columns of the network's input, in pixels."""
    data_key: str
    """Key of the prepared data in the store."""
    trainer: Trainer
    """See :attr:`Material.trainer`."""
    warnings: tuple[str, ...] = ()
    """What to know about the data before trusting a score."""


@dataclass(frozen=True, eq=False)
class Material:
    """The prepared data of a run, split into training, validation and test cases."""

    folder: Path
    """Folder of the prepared data."""
    prepared: Prepared
    """All cases."""
    split: Split
    """Cases of each part."""
    slices: Slices
    """The pool: all slices of the training cases."""
    counts: tuple[int, ...]
    """Cumulative labelled slices of each round."""
    validation: Amount
    """How many validation slices are labelled."""
    validated: IntArray
    """Their positions in the slices of the validation cases."""
    trainer: Trainer
    """Trainer of the run, planned for the volumes of the pool, which its models depend on."""
    warnings: tuple[str, ...] = ()
    """What to know about the data before trusting a score."""
    returned: Returned | None = None
    """Labels that annotators give; None where labels come with the data."""
    prepare: Prepare = field(default_factory=Prepare)
    """Preparation of the data."""

    def infos(self, cases: Sequence[str]) -> list[CaseInfo]:
        """Return the facts of cases."""
        return [self.prepared.info(case) for case in cases]

    def vault(self, part: str) -> Vault:
        """Return a vault with an empty ledger.

        The labels of test cases are sealed unless ``part`` is "test"; so are labels that the data hold of the cases
        that people annotate.
        """
        sealed = (
            *(() if part == "test" else self.split.test),
            *(self.split.train if self.returned is not None else ()),
        )
        return Vault(self.folder, self.prepared, Ledger(), frozenset(sealed), self.returned, self.prepare)

    def entries(self, selection: Selection) -> list[dict[str, object]]:
        """Return the record of a selection: {"case", "z", "score"} of each slice, the score None where it has none.

        Slices of a scan that was turned also have "stored": their axis and index in the file.
        """
        scores = selection.scores if selection.scores is not None else np.full(len(selection.positions), math.nan)
        out: list[dict[str, object]] = []
        for position, score in zip(selection.positions, scores, strict=True):
            case, z = self.slices.table.locate(int(position))
            out.append({"case": case, "z": z, "score": float(score) if math.isfinite(score) else None})
            info = self.prepared.info(case)
            if info.axes != AS_STORED:  # where to find the slice in the file
                axis, index = info.axes.locate(z, info.depth)
                out[-1]["stored"] = {"axis": axis, "index": index}
        return out

    def sizes(self) -> dict[str, object]:
        """Return patients, volumes, slices and cases of each part, whose the cases are, the data's key and warnings."""
        parts = {part: self.infos(getattr(self.split, part)) for part in ("train", "val", "test")}
        return {
            "patients": {part: len({info.patient for info in infos}) for part, infos in parts.items()},
            "volumes": {part: len(infos) for part, infos in parts.items()},
            "slices": {part: sum(info.depth for info in infos) for part, infos in parts.items()},
            "cases": {part: [info.case for info in infos] for part, infos in parts.items()},
            "patient_of": {info.case: info.patient for infos in parts.values() for info in infos},
            "data_key": self.prepared.key,
            **({"warnings": list(self.warnings)} if self.warnings else {}),
            **self._validated(),
        }

    def _validated(self) -> dict[str, object]:
        """Return the labelled validation slices, where they were drawn, as [case, z]."""
        if isinstance(self.validation, str):
            return {}
        table = self.prepared.slices(self.split.val).table
        return {"validation": [list(table.locate(int(position))) for position in self.validated]}


def open_material(config: RunConfig, store: Store, progress: PrepareProgress | None = None) -> Material:
    """Prepare the data (once, through the store) and check split, annotation and budgets against them.

    Raises DataError or ConfigError for everything that is wrong with data or settings, before any training.
    """
    root = Path(config.dataset.root) if config.dataset.root else None
    refs = config.dataset.reader.scan(root)
    config.split.assign(refs)  # an impossible split is an error before any scan is read
    folder = prepare(config.dataset.reader, root, config.dataset.prepare, store, progress, refs)
    prepared = Prepared.open(folder)
    split = config.split.assign(prepared.cases)
    labelled = {"val": config.validation != "none", "test": config.evaluate.part != "none" and not config.waits}
    for part in (part for part, needed in labelled.items() if needed):
        if lacking := _without_masks(prepared, getattr(split, part)):
            raise DataError(f"{config.dataset.name}: {part} cases need masks; none for {lacking}.")
    try:
        config.annotation.check([prepared.info(case) for case in split.train])
    except DataError as error:
        raise DataError(f"{config.dataset.name}, recipe {config.recipe.name!r}: {error}") from None
    if config.validation != "none" and not split.val:
        raise DataError(
            f"{config.dataset.name}: the split has no validation case, and validation is {config.validation!r}; give "
            "some, or set validation: none."
        )
    lacking = _without_masks(prepared, split.train)
    if lacking and config.recipe.strategy.reads_ground_truth:
        raise DataError(
            f"recipe {config.recipe.name!r} reads ground truth, so training cases need masks; none for {lacking}. "
            "Leave the recipe out where there are none."
        )
    if lacking and config.evaluate.by_slice:
        raise DataError(
            f"evaluate.by_slice scores slices of the pool, so training cases need masks; none for {lacking}. Leave "
            "by_slice out where there are none."
        )
    train, val, test = ([prepared.info(case) for case in getattr(split, part)] for part in ("train", "val", "test"))
    try:
        warnings = () if config.waits else check_classes(config.dataset.classes, train, val, test)
    except DataError as error:
        raise DataError(f"{config.dataset.name}: {error}") from None
    slices = prepared.slices(split.train)
    config.recipe.strategy.check_pool(slices.table)
    validated = chosen_slices(config.validation, prepared.slices(split.val).table, config.seed)
    counts = config.counts(len(slices))
    returned = Returned(Path(config.dataset.returned)) if config.waits and config.dataset.returned else None
    return Material(
        folder,
        prepared,
        split,
        slices,
        counts,
        config.validation,
        validated,
        _planned(config.train, train),
        warnings,
        returned,
        config.dataset.prepare,
    )


def _without_masks(prepared: Prepared, cases: Sequence[str]) -> str:
    """Return the names of the first of these cases that have no mask, empty if all have one."""
    return ", ".join([case for case in cases if not prepared.info(case).has_mask][:5])


def _planned(trainer: Trainer, infos: Sequence[CaseInfo]) -> Trainer:
    """Return the trainer for the median geometry of the training cases."""
    z, y, x = np.median([info.grid_mm for info in infos], axis=0).tolist()
    size = infos[0].geometry.size
    return trainer.for_volumes((z, y, x), (round(float(np.median([info.depth for info in infos]))), size, size))


def plan(config: RunConfig, store: Store, progress: PrepareProgress | None = None) -> Plan:
    """Return what :func:`alseg_core.loop.run` will do. Raises what :func:`open_material` raises."""
    material = open_material(config, store, progress)
    pool = len(material.slices)
    return Plan(
        pool=pool,
        budgets=material.counts,
        iterations=config.steps(pool),
        val_slices=len(material.validated),
        test_slices=len(material.prepared.slices(material.split.test)),
        test_volumes=len(material.split.test),
        channels=material.slices.channels,
        size=material.slices.size[0],
        data_key=material.prepared.key,
        trainer=material.trainer,
        warnings=material.warnings,
    )
