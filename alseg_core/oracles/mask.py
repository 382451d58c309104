"""Full masks of the slices that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.errors import DataError
from alseg_core.oracles.vault import Vault
from alseg_core.registry import component
from alseg_core.vocabulary import Annotation, IntArray


@component
class Mask:
    """Full annotation: every pixel of the slice gets its class; one slice costs 1."""

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Every case has a mask."""
        lacking = [case.case for case in cases if not case.has_mask]
        if lacking:
            raise DataError(f"annotation 'mask' needs training cases with masks; none for {', '.join(lacking[:5])}.")

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Nothing to tell."""
        return ""

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Masks of ``positions``; the seed plays no part."""
        labels = vault.masks(slices.rows[positions], "oracle", "training labels")
        return Annotation(positions, labels, float(len(positions)))
