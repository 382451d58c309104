"""Learning rate over a training."""

from __future__ import annotations


def poly(step: int, steps: int, power: float) -> float:
    """Factor (1 - step / steps)^power of the base learning rate at ``step`` 0..steps-1 (Chen et al., TPAMI 2018)."""
    return float((1 - step / steps) ** power)
