"""Annotation: the kinds an annotator can be asked for, and the vault that keeps the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.oracles.ledger import Ledger
from alseg_core.oracles.mask import Mask
from alseg_core.oracles.scribble import Scribble
from alseg_core.oracles.vault import Vault
from alseg_core.registry import Registry
from alseg_core.vocabulary import Annotation, IntArray


class Oracle(Protocol):
    """Annotates slices; the only way training labels leave the vault."""

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Raise DataError when slices of one of the cases could not be annotated."""
        ...

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Where the labels of these cases come from, "" where there is only one way; for reports."""
        ...

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Labels (B, H, W) uint8 of ``positions`` (B,) of ``slices`` and their cost; entered in the vault's ledger."""
        ...


ORACLES: Registry[Oracle] = Registry("annotation", {"mask": Mask, "scribble": Scribble}, Oracle)

__all__ = ["ORACLES", "Ledger", "Oracle", "Vault"]
