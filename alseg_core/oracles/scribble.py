"""Annotation by scribbles, given with the data or simulated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.errors import ConfigError, DataError
from alseg_core.oracles.annotator import Annotator
from alseg_core.oracles.simulate import simulate
from alseg_core.oracles.vault import Vault
from alseg_core.registry import OMIT_DEFAULT, component, nested
from alseg_core.seeding import stream
from alseg_core.vocabulary import IGNORE, Annotation, IntArray

PARTLY = "partly simulated"
"""Origin of scribbles some of which were drawn by an annotator."""


@component
class Scribble:
    """Weak annotation: a few strokes per class, the other pixels stay unmarked.

    The defaults match the published scribbles of ACDC at 256 x 256 pixels (Valvano et al., 2021).
    """

    fill: ClassVar[int] = IGNORE
    training: ClassVar[Mapping[str, Any]] = {"network": {"name": "unet_dual"}, "loss": {"name": "dmpls"}}
    cites: ClassVar[Mapping[str, str]] = {"training from scribbles": "DMPLS: Luo et al., MICCAI 2022"}

    source: Literal["auto", "given", "simulated", "mixed", "annotators"] = "auto"
    """Scribbles given with the data, simulated from masks, or mixed: given where a case has them, else simulated. auto
    takes given ones if all training cases have them, simulated ones if none has, and refuses a mixture. annotators:
    people are asked, and waited for (alseg project)."""
    cost: Annotated[float, Field(ge=0, le=1)] = 1 / 15
    """Cost of one slice, as a share of that of a full mask."""
    length: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the centre line that a simulated stroke follows in a foreground region without a hole."""
    ring: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the centre line that a simulated stroke follows in a foreground region with a hole."""
    background: Annotated[float, Field(gt=0, le=1)] = 0.35
    """Share of the centre line that a simulated stroke follows in the background."""
    thickness: Annotated[int, Field(ge=1, le=100)] = 2
    """Width of a simulated stroke, in pixels of the network's grid."""
    annotator: Annotated[Annotator, nested(Annotator, "annotator")] | None = dataclasses.field(
        default=None, metadata=OMIT_DEFAULT
    )
    """Errors of the annotator in the masks that strokes are simulated from (alseg list fields annotator), with source
    simulated; null for the masks of the data."""

    def __post_init__(self) -> None:
        if self.annotator is not None and self.source != "simulated":
            raise ConfigError(
                f"annotator simulates errors in strokes that are drawn from masks, and source is {self.source!r}; add "
                "source: simulated."
            )

    @property
    def waits(self) -> bool:
        """Whether people give the labels, so that a run waits for them."""
        return self.source == "annotators"

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Raise DataError unless every case has what the source needs: a scribble, a mask, or either; or nothing."""
        if self.waits:
            return
        usable = {
            "given": lambda case: case.has_scribble,
            "simulated": lambda case: case.has_mask,
        }.get(self.source, lambda case: case.has_scribble or case.has_mask)
        lacking = [case.case for case in cases if not usable(case)]
        if lacking:
            wanted = {"given": "scribbles", "simulated": "masks"}.get(self.source, "scribbles or masks")
            raise DataError(
                f"annotation 'scribble' with source {self.source!r} needs training cases with {wanted}; "
                f"none for {', '.join(lacking[:5])}."
            )
        if self.source == "auto" and self.origin(cases) == PARTLY:
            without = [case.case for case in cases if not case.has_scribble]
            raise DataError(
                f"scribbles are given for {len(cases) - len(without)} of the {len(cases)} training cases, not for "
                f"{', '.join(without[:5])}{' ...' if len(without) > 5 else ''}. Given and simulated ones differ, so "
                "say which to take: --set 'annotations={name: scribble, source: simulated}' for all cases, or source: "
                "mixed for given ones where there are some; or leave those cases out of the split."
            )

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Return "given", "simulated", "partly simulated" or "annotators"."""
        if self.source in ("given", "simulated", "annotators"):
            return self.source
        given = sum(case.has_scribble for case in cases)
        return "given" if given == len(cases) else PARTLY if given else "simulated"

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Return the scribbles of ``positions``; a simulated one depends only on (seed, case, z) and the fields."""
        rows = slices.rows[positions]
        if self.waits:
            labels = vault.given(rows, "annotators", "training labels", IGNORE, self.cost)
            return Annotation(positions, labels, len(rows) * self.cost)
        labels, dice = np.empty((len(rows), *slices.size), np.uint8), None
        given = np.full(len(rows), self.source == "given")
        if self.source in ("auto", "mixed"):
            has = np.array([case.has_scribble for case in vault.prepared.cases])
            given = has[vault.prepared.table.volume[rows]]
        if given.any():
            labels[given] = vault.scribbles(rows[given], "oracle", "training labels", self.cost)
        if not given.all():
            masks = vault.masks(rows[~given], "oracle", "training labels", self.cost)
            if self.annotator is not None:  # source is simulated: of all slices
                cases = [vault.prepared.info(case) for case in slices.table.cases]
                masks, dice = self.annotator.annotate(masks, slices.table, positions, cases, seed, vault.classes)
            for i, mask in zip(np.flatnonzero(~given), masks, strict=True):
                rng = stream(seed, "scribble", *slices.table.locate(int(positions[i])))
                labels[i] = simulate(mask, vault.classes, rng, self.length, self.ring, self.background, self.thickness)
        return Annotation(positions, labels, len(rows) * self.cost, dice)
