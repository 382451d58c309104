"""A training step, done call by call or, on a GPU, captured once and replayed.

Small networks are limited by the launching of their kernels: a captured step is launched as one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from alseg_core.errors import AlsegError

Step = Callable[..., Tensor]

WARM = 3
"""Calls with inputs of the same shapes before the step is captured: libraries choose and allocate in the first ones."""

SHAPES = 4
"""Sets of input shapes that are captured; each holds memory. Further ones run uncaptured."""

EAGER = "ALSEG_EAGER"
"""Environment variable; where it is set no step is captured."""


class Recorder(Protocol):
    """Runs a step and records it."""

    def warm(self, step: Step, inputs: tuple[Tensor, ...]) -> Tensor:
        """Run ``step(*inputs)`` in a way that a later recording does not stumble over."""
        ...

    def record(self, step: Step, inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """A call that does ``step(*inputs)`` again on what the inputs hold then, and the tensor its result is in."""
        ...


class CudaGraphs:
    """Records with CUDA graphs on one device. The graphs share memory, since only one of them runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm(self, step: Step, inputs: tuple[Tensor, ...]) -> Tensor:
        """On a stream of its own: nothing of the step is tied to the default stream, which cannot be captured."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = step(*inputs)
        current.wait_stream(self._stream)
        return result

    def record(self, step: Step, inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """See :class:`Recorder`. While a graph is captured nothing is computed."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            result = step(*inputs)
        return graph.replay, result


def recorder(device: str | torch.device) -> Recorder | None:
    """What records steps on the device, None where every step is run as it is."""
    target = torch.device(device)
    return CudaGraphs(target) if target.type == "cuda" and not os.environ.get(EAGER) else None


class Replayed:
    """``step(*inputs)``, recorded and replayed where there is a ``recorder``.

    A step may change anything in place (weights, optimiser) and returns one tensor, which is valid until the next call.
    All that differs from call to call must come in through its inputs, and it must ask nothing of the host (``item()``,
    ``if tensor``). With a recorder the first :data:`WARM` calls for given shapes run as they are, further ones copy
    their inputs to where the recording reads them and replay it.
    """

    def __init__(self, step: Step, recorder: Recorder | None) -> None:
        self._step = step
        self._recorder = recorder
        self._calls: dict[tuple[torch.Size, ...], int] = {}
        self._recorded: dict[tuple[torch.Size, ...], tuple[tuple[Tensor, ...], Callable[[], None], Tensor]] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Do the step. Raises AlsegError when it cannot be recorded."""
        if self._recorder is None:
            return self._step(*inputs)
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._recorded:
            self._calls[shapes] = self._calls.get(shapes, 0) + 1
            if self._calls[shapes] <= WARM or len(self._recorded) == SHAPES:
                return self._recorder.warm(self._step, inputs)
            self._recorded[shapes] = self._record(self._recorder, inputs)
        places, replay, result = self._recorded[shapes]
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        replay()
        return result

    def _record(
        self, recorder: Recorder, inputs: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, ...], Callable[[], None], Tensor]:
        places = tuple(tensor.clone() for tensor in inputs)
        try:
            return places, *recorder.record(self._step, places)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # what the device was doing is in disorder now, so there is no going on
            reason = next(iter(str(error).splitlines()), "")
            raise AlsegError(
                f"the training step cannot be captured as a CUDA graph: {reason} "
                f"Set {EAGER}=1 to run it uncaptured, slower."
            ) from error
