"""One line of the table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Unit = Literal["s", "dice", "share", "text"]
"""Seconds; Dice, or a difference of it; a share of 1; none, where the answer is words."""


@dataclass(frozen=True)
class Target:
    """Largest value that is good enough."""

    most: float
    """In the unit of the answer."""
    speed: bool = True
    """Whether it is about speed, and so about a GPU alone; otherwise it is about numbers being right, on any device."""


@dataclass(frozen=True)
class Answer:
    """What was measured, and what was wanted."""

    what: str
    size: str = ""
    value: float | None = None
    """None where the answer is words, or where it was left out and the note says why."""
    unit: Unit = "s"
    floor: float | None = None
    """Seconds of the least work at the ceilings; None where they are unknown."""
    memory: float | None = None
    """Peak in bytes: what torch reserved on the GPU, or what the work added to the memory of a process on a CPU."""
    target: Target | None = None
    note: str = ""

    @property
    def share(self) -> float | None:
        """Share of the roofline reached: floor over time."""
        if self.floor is None or self.value is None or not math.isfinite(self.floor):
            return None
        return self.floor / self.value

    def met(self, gpu: bool) -> bool | None:
        """Return whether the target is met; None without one, and for one of speed on a CPU, which is not judged."""
        if self.target is None or self.value is None or (self.target.speed and not gpu):
            return None
        return self.value <= self.target.most

    def verdict(self, gpu: bool) -> str:
        """Return whether the target is met, and by how much, in words."""
        met = self.met(gpu)
        if met is None or self.value is None or self.target is None:
            return ""
        word = "met" if met else "missed"
        if self.target.most == 0:
            return word
        return f"{word} by {abs(1 - self.value / self.target.most):.0%}"
