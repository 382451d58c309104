"""Annotation by full masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.errors import ConfigError, DataError
from alseg_core.oracles.annotator import Annotator
from alseg_core.oracles.vault import Vault
from alseg_core.registry import OMIT_DEFAULT, component, nested
from alseg_core.vocabulary import Annotation, IntArray


@component
class Mask:
    """Full annotation: every pixel of the slice gets its class; one slice costs 1."""

    fill: ClassVar[int] = 0
    training: ClassVar[Mapping[str, Any]] = {"network": {"name": "unet"}, "loss": {"name": "ce_dice"}}
    cites: ClassVar[Mapping[str, str]] = {}

    source: Literal["data", "annotators"] = dataclasses.field(default="data", metadata=OMIT_DEFAULT)
    """Origin of the masks: those of the data, or annotators who are asked, and waited for (alseg project)."""
    annotator: Annotated[Annotator, nested(Annotator, "annotator")] | None = dataclasses.field(
        default=None, metadata=OMIT_DEFAULT
    )
    """Errors of the annotator (alseg list fields annotator); null for masks as the data have them."""

    def __post_init__(self) -> None:
        if self.annotator is not None and self.waits:
            raise ConfigError(
                "annotator simulates the errors of somebody who draws the masks of the data; with source annotators, "
                "people draw them: leave one of both out."
            )

    @property
    def waits(self) -> bool:
        """Whether people give the labels, so that a run waits for them."""
        return self.source == "annotators"

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Raise DataError unless every case has a mask, or annotators are asked."""
        if self.waits:
            return
        lacking = [case.case for case in cases if not case.has_mask]
        if lacking:
            scribbled = all(case.has_scribble for case in cases)
            hint = " All have scribbles: annotate by those (make bench ANNOTATION=scribble)." if scribbled else ""
            raise DataError(
                f"annotation 'mask' needs training cases with masks; none for {', '.join(lacking[:5])}.{hint}"
            )

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Return "annotators", or "" for the masks of the data."""
        return "annotators" if self.waits else ""

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Return the masks of ``positions``; the seed is that of the annotator's errors."""
        rows = slices.rows[positions]
        if self.waits:
            return Annotation(positions, vault.given(rows, "annotators", "training labels", 0), float(len(rows)))
        labels = vault.masks(rows, "oracle", "training labels")
        if self.annotator is None:
            return Annotation(positions, labels, float(len(positions)))
        cases = [vault.prepared.info(case) for case in slices.table.cases]
        drawn, dice = self.annotator.annotate(labels, slices.table, positions, cases, seed, vault.classes)
        return Annotation(positions, drawn, float(len(positions)), dice)
