"""Strategies that fail in their second round, each in its own way; worker processes that import this know them."""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from alseg_core.registry import component
from alseg_core.strategies import STRATEGIES, Strategy, View
from alseg_core.strategies.random import Random
from alseg_core.vocabulary import Selection


class _Faulty(Strategy):
    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        if view.round == 1:
            self.fail()
        return Random().select(view, budget, rng)

    def fail(self) -> None:
        raise NotImplementedError


@component
class Raises(_Faulty):
    """Raises."""

    def fail(self) -> None:
        raise ZeroDivisionError("no slices\nand a second line")


@component
class Exits(_Faulty):
    """Leaves the interpreter, as a library might."""

    def fail(self) -> None:
        sys.exit(3)


@component
class OutOfMemory(_Faulty):
    """Finds a GPU full."""

    def fail(self) -> None:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ..."
        )


@component
class Hangs(_Faulty):
    """Never returns."""

    def fail(self) -> None:
        while True:
            time.sleep(0.1)


FAULTY = {"raises": Raises, "exits": Exits, "out_of_memory": OutOfMemory, "hangs": Hangs}
for _name, _class in FAULTY.items():
    if _name not in STRATEGIES:
        STRATEGIES.add(_name, _class)
