"""Emulation of a captured CUDA graph on a CPU: operations of a step, recorded and repeated on the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ASKS_THE_HOST = (
    "_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "_unique2", "lift_fresh",
)  # fmt: skip
"""Operations that wait for the device or transfer a number from the host, on which capturing a CUDA graph fails."""


class Counted(TorchDispatchMode):
    """Counts calls of an ATen operation; by default ``item()``, which reads a value on the host."""

    def __init__(self, operation: str = "_local_scalar_dense") -> None:
        super().__init__()
        self.operation = operation
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ == self.operation
        return func(*args, **(kwargs or {}))


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        flags = [a for a in tree_leaves(args) if isinstance(a, Tensor) and a.dtype == torch.bool]
        if name in ASKS_THE_HOST or (name in ("index", "index_put", "index_put_") and flags):
            raise RuntimeError(f"{name} in a captured step")
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, [o for o in tree_leaves(out) if isinstance(o, Tensor)]))
        return out


class EmulatedGraphs:
    """A :class:`alseg_core.device.replay.Recorder` without a GPU.

    A CUDA graph computes nothing while it is captured; here the recording does the step, so the first replay does not.
    """

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def warm(self, step: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
        """Run the step without recording."""
        return step(*inputs)

    def record(self, step: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """Run the step and record all its operations: forward, backward and optimiser."""
        with _Recording() as recording:
            result = step(*inputs)
        self.recorded += 1
        fresh = True

        def replay() -> None:
            nonlocal fresh
            self.replayed += 1
            if not fresh:
                _again(recording.operations)
            fresh = False

        return replay, result


@torch.no_grad()
def _again(operations: list[tuple[Any, Any, Any, list[Tensor]]]) -> None:
    for func, args, kwargs, places in operations:
        out = [o for o in tree_leaves(func(*args, **kwargs)) if isinstance(o, Tensor)]
        for place, value in zip(places, out, strict=True):
            if place.data_ptr() != value.data_ptr():  # else it was done in place, or is a view
                place.copy_(value)
