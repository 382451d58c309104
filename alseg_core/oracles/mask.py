"""Annotation by full masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.errors import DataError
from alseg_core.oracles.vault import Vault
from alseg_core.registry import component
from alseg_core.vocabulary import Annotation, IntArray


@component
class Mask:
    """Full annotation: every pixel of the slice gets its class; one slice costs 1."""

    fill: ClassVar[int] = 0
    training: ClassVar[Mapping[str, Any]] = {"network": {"name": "unet"}, "loss": {"name": "ce_dice"}}
    cites: ClassVar[Mapping[str, str]] = {}

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Raise DataError unless every case has a mask."""
        lacking = [case.case for case in cases if not case.has_mask]
        if lacking:
            scribbled = all(case.has_scribble for case in cases)
            hint = " All have scribbles: annotate by those (make bench ANNOTATION=scribble)." if scribbled else ""
            raise DataError(
                f"annotation 'mask' needs training cases with masks; none for {', '.join(lacking[:5])}.{hint}"
            )

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Return "": masks have one source."""
        return ""

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Return the masks of ``positions``; the seed is not used."""
        labels = vault.masks(slices.rows[positions], "oracle", "training labels")
        return Annotation(positions, labels, float(len(positions)))
