"""Statistics of the volumes of a dataset: slices, spacing, classes and scribbles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from alseg_core.vocabulary import IGNORE, Volume


@dataclass
class Contents:
    """Statistics of the volumes added so far."""

    depths: list[int] = field(default_factory=list)
    """Slices of each volume."""
    spacings: list[tuple[float, ...]] = field(default_factory=list)
    """Spacing (z, y, x) of each volume in mm."""
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    """Rows and columns of each volume."""
    masks: int = 0
    """Volumes with a mask."""
    scribbles: int = 0
    """Volumes with a scribble."""
    cases: Counter[int] = field(default_factory=Counter)
    """Class -> volumes whose mask holds it."""
    marked: dict[int, list[int]] = field(default_factory=dict)
    """Class -> [its pixels that a scribble marks correctly, its pixels], over volumes with both."""
    agreement: list[int] = field(default_factory=lambda: [0, 0])
    """[Marked pixels that agree with the mask, marked pixels], over volumes with both."""
    unchecked: Counter[int] = field(default_factory=Counter)
    """Class -> pixels that scribbles mark in volumes without mask."""
    unchecked_pixels: int = 0
    """All pixels of volumes with a scribble and without mask."""

    def add(self, volume: Volume) -> None:
        """Count one volume."""
        self.depths.append(len(volume.image))
        self.spacings.append(volume.spacing_mm)
        self.shapes.append(volume.image.shape[1:3])
        self.masks += volume.mask is not None
        self.scribbles += volume.scribble is not None
        present = _counts(volume.mask) if volume.mask is not None else np.zeros(0, int)
        self.cases.update({int(v): 1 for v in np.flatnonzero(present)})
        if volume.scribble is None:
            return
        drawn = _counts(volume.scribble)
        drawn[IGNORE] = 0
        if volume.mask is None:
            self.unchecked.update({int(v): int(drawn[v]) for v in np.flatnonzero(drawn)})
            self.unchecked_pixels += volume.scribble.size
            return
        agree = volume.scribble == volume.mask
        correct = _counts(volume.mask[agree])
        for v in np.flatnonzero(present):
            entry = self.marked.setdefault(int(v), [0, 0])
            entry[0] += int(correct[v])
            entry[1] += int(present[v])
        self.agreement[0] += int(agree.sum())
        self.agreement[1] += int(drawn.sum())

    def lines(self, classes: Sequence[str]) -> list[str]:
        """Return the statistics as lines of text. classes: names in the order of their numbers."""
        lines = []
        if self.depths:
            depth, spacing, shape = (np.array(part) for part in (self.depths, self.spacings, self.shapes))
            lines.append(f"slices: {depth.sum()}, {depth.min()} to {depth.max()} a case")
            least, most = shape.min(axis=0), shape.max(axis=0)
            lines.append(f"rows x columns: {least[0]}x{least[1]} to {most[0]}x{most[1]}")
            spans = (f"{axis} {spacing[:, i].min():.2f} to {spacing[:, i].max():.2f}" for i, axis in enumerate("zyx"))
            lines.append("spacing (mm): " + ", ".join(spans))
        if self.masks:
            counts = (f"{v} {class_name(classes, v)} in {self.cases[v]} cases" for v in sorted(self.cases))
            lines.append("labels: " + ", ".join(counts))
        lines.append(f"masks: {self.masks} cases; scribbles: {self.scribbles} cases")
        if self.marked:
            shares = (f"{class_name(classes, v)} {100 * n / of:.2g} %" for v, (n, of) in sorted(self.marked.items()))
            agree = 100 * self.agreement[0] / max(self.agreement[1], 1)
            lines.append(f"marked by scribbles: {', '.join(shares)} of the class; {agree:.2f} % agree with the mask")
        if self.unchecked:
            shares = (
                f"{class_name(classes, v)} {100 * self.unchecked[v] / self.unchecked_pixels:.2g} %"
                for v in sorted(self.unchecked)
            )
            lines.append(f"marked by scribbles, in cases without mask: {', '.join(shares)} of all pixels")
        return lines


def class_name(classes: Sequence[str], label: int) -> str:
    """Return the name of a class, or its number where the dataset file has no name for it."""
    return classes[label] if label < len(classes) else f"class {label} without a name"


def _counts(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=256)
