"""Colours and values of the classes, the same in every program."""

from __future__ import annotations

from bench.datasets.contact_sheet import colour
from bench.project.manifest import Manifest


def drawn(manifest: Manifest) -> list[tuple[int, str, str]]:
    """Return (value in the files, name, colour as "#RRGGBB") of each class that is drawn, by value.

    Where every pixel has a class, background is what is left at 0 and is not drawn.
    """
    classes = enumerate(zip(manifest.values, manifest.classes, strict=True))
    return sorted((value, name, colour(number)) for number, (value, name) in classes if value > 0)


def rgb(code: str) -> tuple[int, int, int]:
    """Return "#RRGGBB" as three numbers 0..255."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
