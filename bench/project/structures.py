"""What people drew: how many of their slices show any structure, and how many pixels of each class are marked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from alseg_core.errors import plural
from alseg_core.vocabulary import IGNORE
from bench.project.project import Project


@dataclass(frozen=True)
class Structures:
    """The labels that count now, summed up."""

    slices: int
    """Annotated slices."""
    shown: int
    """Those of them with a pixel of any class but the background."""
    pixels: Mapping[str, int]
    """Class -> pixels marked as it, on the grids of the scans, without the background."""

    @property
    def text(self) -> str:
        """All this in plain words."""
        pixels = ", ".join(f"{name} {count}" for name, count in self.pixels.items())
        verb = "show" if self.shown != 1 else "shows"
        return f"{self.shown} of {plural(self.slices, 'annotated slice')} {verb} any structure; marked pixels: {pixels}"


def structures(project: Project, only: Collection[tuple[str, int]] | None = None) -> Structures:
    """Sum up labels. Raises ResultsError if a file of them is damaged.

    only: slices (case, z) that are looked at; None = all that were given, trained on or not.
    """
    classes = project.config([1]).dataset.classes
    counts = np.zeros(IGNORE + 1, np.int64)
    slices = shown = 0
    for key, entry in project.returned.latest().items():
        if only is None or key in only:
            here = np.bincount(project.returned.read(entry).ravel(), minlength=IGNORE + 1)
            slices, shown = slices + 1, shown + bool(here[1:IGNORE].any())
            counts += here
    return Structures(slices, shown, {name: int(counts[i]) for i, name in enumerate(classes) if i})
