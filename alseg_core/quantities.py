"""Ranges of fields that count or weight something. Their ends are far beyond any use; what lies outside is wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

MOST_SLICES = 10**9
"""Most slices of a budget."""
SMALLEST_SHARE = 1 / MOST_SLICES
"""Smallest budget that is a share of the slices."""
LARGEST_SIDE = 8192
"""Most rows or columns of an image."""
MOST_WIDTHS = 12
"""Most levels of a network."""

SMALLEST = 1e-12
"""Smallest positive number; smaller ones vanish in float32 as soon as they are added to anything."""
LARGEST = 1e9
"""Largest factor."""


def _not_tiny(value: float) -> float:
    if 0 < value < SMALLEST:
        raise ValueError(f"0 or a number of at least {SMALLEST:g} was wanted, got {value:g}")
    return value


Positive = Annotated[float, Field(ge=SMALLEST, le=LARGEST)]
"""Learning rate, temperature and other factors that cannot be 0."""
Weight = Annotated[float, Field(ge=0, le=LARGEST), AfterValidator(_not_tiny)]
"""Factor of one part of a sum; 0 leaves the part out."""
Probability = Annotated[float, Field(ge=0, le=1)]
"""Probability, or share."""
Tolerance = Annotated[float, Field(ge=1e-6, le=1e6)]
"""Distance between surfaces in millimetres."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""Root of random numbers; NumPy's and Optuna's generators take 32 bits."""
StepCount = Annotated[int, Field(ge=1, le=10**8)]
"""Steps of a training."""
Epochs = Annotated[int, Field(ge=1, le=10**6)]
"""Passes over the data of a training."""
Batch = Annotated[int, Field(ge=1, le=10**5)]
"""Slices, or volumes, of one step."""
Passes = Annotated[int, Field(ge=2, le=10**4)]
"""Predictions with dropout of one slice."""
Width = Annotated[int, Field(ge=1, le=2**16)]
"""Channels or units of a layer."""
Count = Annotated[int, Field(ge=1, le=10**6)]
"""Number of things without a range of their own."""
