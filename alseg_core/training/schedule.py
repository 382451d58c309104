"""Learning rate schedule."""

from __future__ import annotations


def poly(step: int, steps: int, power: float) -> float:
    """Return the factor (1 - step / steps)^power of the rate at ``step`` 0..steps-1 (Chen et al., TPAMI 2018)."""
    return float((1 - step / steps) ** power)
