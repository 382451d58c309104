"""Kinds of annotation, and the vault that keeps the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, get_args

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.errors import ConfigError
from alseg_core.oracles.ledger import SCORED, Ledger
from alseg_core.oracles.mask import Mask
from alseg_core.oracles.minutes import Drawn
from alseg_core.oracles.returned import Returned
from alseg_core.oracles.scribble import Scribble
from alseg_core.oracles.vault import Vault
from alseg_core.registry import Registry
from alseg_core.vocabulary import IGNORE, Annotation, IntArray


class Oracle(Protocol):
    """Component that annotates slices; the only way training labels leave the vault."""

    fill: ClassVar[int]
    """Label of pixels that augmentation brings in from outside a slice: 0 where all pixels get labels, else IGNORE."""
    training: ClassVar[Mapping[str, Any]]
    """Settings of the training that a study starts from: those of a trainer, or a trainer with its ``name``."""
    cites: ClassVar[Mapping[str, str]]
    """What to cite for that training: subject -> source; empty where nothing needs a citation."""

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Raise DataError when slices of one of the training cases could not be annotated."""
        ...

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Return where the labels of these cases come from, for reports; "" where there is only one source."""
        ...

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Return labels (B, H, W) uint8 of ``positions`` (B,) of ``slices`` and their cost.

        Labels come from the vault, which enters the read in its ledger. seed: root seed of the run; the labels of a
        slice depend only on it, on the slice and on the fields of the component.
        """
        ...


ORACLES: Registry[Oracle] = Registry("annotation", {"mask": Mask, "scribble": Scribble}, Oracle)
"""Kinds of annotation by name."""


def drawn(oracle: Oracle) -> Drawn:
    """Return how annotators label a slice: the oracle's ``drawn``, if any, else strokes where pixels stay unmarked.

    Raises ConfigError for a ``drawn`` that is neither.
    """
    own: Drawn = getattr(oracle, "drawn", "outlines" if oracle.fill != IGNORE else "strokes")
    if own not in get_args(Drawn):
        raise ConfigError(f"annotation {type(oracle).__name__}: drawn is {' or '.join(get_args(Drawn))}, got {own!r}.")
    return own


def waits(oracle: Oracle) -> bool:
    """Return whether people give the labels, so that a run stops until they have: the oracle's ``waits``, if any."""
    return bool(getattr(oracle, "waits", False))


__all__ = ["ORACLES", "SCORED", "Ledger", "Oracle", "Returned", "Vault", "waits"]
