"""Names of the classes of a dataset."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from alseg_core.errors import shown

LONGEST = 100
"""Most characters of a name."""


def _named(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > LONGEST:
        raise ValueError(f"the name of a class is printable text of 1 to {LONGEST} characters, got {shown(name)}")
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{shown(repeated[0])} is listed twice; class names must be distinct")
    return names


ClassNames = Annotated[
    tuple[Annotated[str, AfterValidator(_named)], ...], Field(min_length=2, max_length=200), AfterValidator(_distinct)
]
"""Distinct names in the order of the class numbers, background first."""
