"""Account of the labels that were read, and of their cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

What = Literal["training labels", "validation masks", "test masks", "masks of the pool", "ground truth for reference"]

SCORED: dict[str, tuple[What, float]] = {"test": ("test masks", 1.0), "val": ("validation masks", 0.0)}
"""Part whose volumes are scored -> their masks, and the cost of one; those of "val" were bought for the training."""


@dataclass
class Ledger:
    """Account of every read of labels."""

    _open: dict[tuple[str, What], list[float]] = field(default_factory=dict)

    def record(self, who: str, what: What, slices: int, cost: float) -> None:
        """Record that ``who`` read the labels of ``slices`` slices, at a cost of ``cost`` full-slice equivalents."""
        entry = self._open.setdefault((who, what), [0, 0.0])
        entry[0] += slices
        entry[1] += cost

    def drain(self) -> list[dict[str, object]]:
        """Return the entries since the last call, by (who, what): {"who", "what", "slices": int, "cost": float}."""
        entries, self._open = self._open, {}
        return [
            {"who": who, "what": what, "slices": int(slices), "cost": cost}
            for (who, what), (slices, cost) in entries.items()
        ]
