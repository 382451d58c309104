"""Scores of whole volumes by a trained network."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PlainValidator

from alseg_core.data.prepared import CaseInfo, Prepared
from alseg_core.errors import ConfigError
from alseg_core.metrics import SCORERS, Scorer
from alseg_core.metrics.by_slice import slice_rows, split_rows
from alseg_core.metrics.means import mean_defined, mean_score
from alseg_core.metrics.metric import DICE, METRICS, Metric
from alseg_core.metrics.overlap import dice_scores
from alseg_core.metrics.surface import surface_scores
from alseg_core.oracles import SCORED, Vault
from alseg_core.quantities import Tolerance
from alseg_core.registry import OMIT_DEFAULT, component
from alseg_core.training.inference import predict_labels
from alseg_core.training.model import Model, for_inference
from alseg_core.vocabulary import LabelArray

PIXELS = 2**24
"""Largest number of pixels read and predicted at once, several volumes together, before they are scored."""

EMPTY = {(True, True): "", (False, True): "prediction", (True, False): "truth", (False, False): "both"}
"""(structure predicted, structure in the truth) -> value of "empty" in a row."""

RESERVED = re.compile(
    r"case|patient|class|empty|cover_radius|validation_dice|aubc_dice|dice_.*|empty_.*|annotated_.*|unannotated_.*|new_.*"
)
"""Keys of rows, summaries and tables that no metric may be named after."""


def _scorers(value: Any) -> tuple[Scorer, ...]:
    """Build the scorers of a list of names, ``module:Class`` or mappings; one alone is a list of one."""
    scorers = tuple(SCORERS.build(spec) for spec in (value if isinstance(value, (list, tuple)) else [value]))
    taken = [*METRICS]
    for scorer in scorers:
        name = scorer.metric.name
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or RESERVED.fullmatch(name) or name in taken:
            raise ConfigError(
                f"metric {name!r} of {type(scorer).__qualname__}: a name of small letters, digits and underscores was "
                f"wanted that is not in use. In use: {', '.join(taken)}, and {RESERVED.pattern.replace('|', ', ')}."
            )
        taken.append(name)
    return scorers


@component
class Evaluation:
    """How volumes are scored, in their native geometry and in millimetres."""

    part: Literal["test", "val", "none"] = "test"
    """Volumes to score: "test", or "val" where scores decide a choice, which seals the labels of test volumes; "none"
    where no volume is labelled throughout."""
    surface: bool = True
    """Whether to compute HD95, ASSD and NSD as well as Dice."""
    nsd_tolerance_mm: Tolerance = 2.0
    """Distance up to which NSD counts two surfaces as equal, in mm."""
    metrics: Annotated[tuple[Scorer, ...], PlainValidator(_scorers)] = dataclasses.field(
        default=(), metadata=OMIT_DEFAULT
    )
    """Further metrics to compute, each the name of a scorer or ``module:Class``."""
    by_slice: bool = dataclasses.field(default=False, metadata=OMIT_DEFAULT)
    """Whether to score apart the annotated slices of the pool, the other slices of their volumes, and those of test
    volumes. It reads the masks of the pool, after everything is chosen and trained."""

    def __post_init__(self) -> None:
        if self.by_slice and self.part != "test":
            raise ConfigError(
                f"evaluate: by_slice reads masks of the pool that were not bought, which nothing may be chosen by, and "
                f"part is {self.part!r}, where scores decide: leave by_slice out."
            )

    @property
    def table(self) -> dict[str, Metric]:
        """Name -> metric of everything that is recorded: the built-in ones, then :attr:`metrics`."""
        return {**METRICS, **{scorer.metric.name: scorer.metric for scorer in self.metrics}}

    def volumes(
        self,
        network: Model,
        prepared: Prepared,
        cases: Sequence[str],
        vault: Vault,
        classes: Sequence[str],
        device: str,
        progress: Callable[[float], None],
        threads: int = 1,
        seen: Callable[[str, LabelArray, LabelArray], None] | None = None,
    ) -> list[dict[str, object]]:
        """Score volumes; return a row per volume and foreground class.

        Rows are {"case", "patient", "class", <metrics>, "empty"}; undefined scores are None. empty: which labels lack
        the structure: "prediction", "truth", "both", or "" for neither. threads: volumes scored in parallel. seen:
        called with each case, its predicted labels (D, size, size) and its native truth (D, h, w).
        """
        rows: list[dict[str, object]] = []
        done = 0
        with ThreadPoolExecutor(threads) as pool:
            for group in predicted(network, prepared, cases, lambda case: self._truth(vault, case), device):
                for case, volume, truth in zip(*group, strict=True):
                    if seen is not None:
                        seen(case, volume, truth)
                infos = [prepared.info(case) for case in group.cases]
                for scored in pool.map(partial(self._score, classes), infos, group.labels, group.truths):
                    rows += scored
                    done += 1
                    progress(done / len(cases))
        return rows

    def slices(
        self,
        network: Model,
        prepared: Prepared,
        annotated: Mapping[str, Collection[int]],
        vault: Vault,
        classes: Sequence[str],
        device: str,
        threads: int = 1,
    ) -> list[dict[str, object]]:
        """Score the annotated slices and the others of volumes of the pool; return rows of :func:`split_rows`.

        annotated: case -> numbers of its annotated slices, from 0.
        """

        def truth(case: str) -> LabelArray:
            return vault.native_mask(case, "evaluation", "masks of the pool")

        rows: list[dict[str, object]] = []
        with ThreadPoolExecutor(threads) as pool:
            for group in predicted(network, prepared, list(annotated), truth, device):
                infos = [prepared.info(case) for case in group.cases]
                scored = partial(self._by_slice, classes, annotated)
                for some in pool.map(scored, infos, group.labels, group.truths):
                    rows += some
        return rows

    def new_slices(
        self, info: CaseInfo, labels: LabelArray, truth: LabelArray, classes: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Score the slices of a test volume as those of the pool are scored. labels: (D, size, size) as predicted."""
        who = {"case": info.case, "patient": info.patient}
        spacing, tolerance = info.spacing_mm[1:], self.nsd_tolerance_mm
        return slice_rows(who, "new", info.to_native(labels), truth, spacing, classes, tolerance)

    def _by_slice(
        self,
        classes: Sequence[str],
        annotated: Mapping[str, Collection[int]],
        info: CaseInfo,
        labels: LabelArray,
        truth: LabelArray,
    ) -> list[dict[str, Any]]:
        who = {"case": info.case, "patient": info.patient}
        spacing, tolerance = info.spacing_mm[1:], self.nsd_tolerance_mm
        return split_rows(who, annotated[info.case], info.to_native(labels), truth, spacing, classes, tolerance)

    def _truth(self, vault: Vault, case: str) -> LabelArray:
        return vault.native_mask(case, "evaluation", *SCORED[self.part])

    def _score(
        self, classes: Sequence[str], info: CaseInfo, labels: LabelArray, truth: LabelArray
    ) -> list[dict[str, object]]:
        """Return the rows of one volume. labels: (D, size, size), truth: (D, h, w)."""
        prediction = info.to_native(labels)
        overlap = dice_scores(prediction, truth, len(classes))
        rows: list[dict[str, object]] = []
        for label, name in list(enumerate(classes))[1:]:
            ours, theirs = prediction == label, truth == label
            who: dict[str, object] = {"case": info.case, "patient": info.patient, "class": name}
            row = {**who, DICE.name: _number(overlap[label - 1])}
            if self.surface:
                scores = surface_scores(ours, theirs, info.spacing_mm, self.nsd_tolerance_mm)
                row |= {name: _number(score) for name, score in vars(scores).items()}
            for scorer in self.metrics:
                row[scorer.metric.name] = _scored(scorer, ours, theirs, info.spacing_mm)
            rows.append(row | {"empty": EMPTY[bool(ours.any()), bool(theirs.any())]})
        return rows


class Predicted(NamedTuple):
    """Volumes that were predicted together, with their truths."""

    cases: list[str]
    labels: list[LabelArray]
    """Predicted classes (D, size, size) of each."""
    truths: list[LabelArray]
    """Native truth (D, h, w) of each."""


def predicted(
    network: Model, prepared: Prepared, cases: Sequence[str], truth: Callable[[str], LabelArray], device: str
) -> Iterator[Predicted]:
    """Predict volumes, several at once, and open their truths."""
    network = for_inference(network, device)
    for group in _groups(prepared, cases):
        slices = prepared.slices(group)
        depths = slices.table.depth
        labels = predict_labels(network, torch.from_numpy(slices.images()), depths.tolist())
        yield Predicted(group, np.split(labels, np.cumsum(depths)[:-1]), [truth(case) for case in group])


def _groups(prepared: Prepared, cases: Sequence[str]) -> Iterator[list[str]]:
    """Yield the cases in order, in groups of at most :data:`PIXELS` pixels or of a single case."""
    group: list[str] = []
    pixels = 0
    for case in cases:
        info = prepared.info(case)
        more = info.depth * info.geometry.size**2
        if group and pixels + more > PIXELS:
            yield group
            group, pixels = [], 0
        group.append(case)
        pixels += more
    if group:
        yield group


def summarise(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], metrics: Mapping[str, Metric] = METRICS
) -> dict[str, float | None]:
    """Summarise the rows of :meth:`Evaluation.volumes`.

    Returns the mean of each metric over a volume's classes, then over volumes (as in the paper); ``dice_<class>``; and
    numbers of structures: empty_predictions (in the truth, but not predicted), empty_truths (predicted, but not in the
    truth) and empty_both. The first two count as Dice 0 and NSD 0 and are left out of the means of distances, which
    would otherwise be about how many there are; the last is undefined. Undefined scores are left out of means; a mean
    of nothing is None.
    """
    out: dict[str, float | None] = {name: mean_score(rows, metric) for name, metric in metrics.items()}
    for label in classes[1:]:
        out[f"dice_{label}"] = mean_defined(row[DICE.name] for row in rows if row["class"] == label)
    for kind, name in (("prediction", "empty_predictions"), ("truth", "empty_truths"), ("both", "empty_both")):
        out[name] = float(sum(row["empty"] == kind for row in rows))
    return out


def _scored(
    scorer: Scorer, prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> float | None:
    """Return a further metric's score. Raises ConfigError when it is infinite, which no mean survives."""
    value = float(scorer.score(prediction, truth, spacing_mm))
    if math.isinf(value):
        raise ConfigError(
            f"metric {scorer.metric.name!r}: a finite number, or NaN if undefined, was wanted, got {value}."
        )
    return _number(value)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
