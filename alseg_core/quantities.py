"""Ranges of fields that count something. The upper ends are far beyond any use; what lies above them is a mistake."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MOST_SLICES = 10**9
"""Most slices of a budget."""
LARGEST_SIDE = 8192
"""Most rows or columns of an image."""
MOST_WIDTHS = 12
"""Most levels of a network."""

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
