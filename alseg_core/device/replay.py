"""Training steps that are captured once and replayed on a GPU, and run call by call elsewhere.

Small networks are limited by the launch of their kernels; a captured step is a single launch.
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
"""Number of calls per input shapes before capture, in which libraries choose algorithms and allocate memory."""

SHAPES = 4
"""Largest number of sets of input shapes to capture, as each takes memory; further ones run uncaptured."""

EAGER = "ALSEG_EAGER"
"""Environment variable that disables capturing if set."""


class Recorder(Protocol):
    """Runs and records a step."""

    def warm(self, step: Step, inputs: tuple[Tensor, ...]) -> Tensor:
        """Run ``step(*inputs)`` in preparation of a later recording."""
        ...

    def record(self, step: Step, inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """Return a function that repeats ``step(*inputs)`` on the current values of inputs, and its result tensor."""
        ...


class CudaGraphs:
    """Recorder that uses CUDA graphs on one device. The graphs share memory, as only one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm(self, step: Step, inputs: tuple[Tensor, ...]) -> Tensor:
        """Run the step on a separate stream, as work tied to the default stream cannot be captured."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = step(*inputs)
        current.wait_stream(self._stream)
        return result

    def record(self, step: Step, inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """See :class:`Recorder`. Capturing a graph computes nothing."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            result = step(*inputs)
        return graph.replay, result


def recorder(device: str | torch.device) -> Recorder | None:
    """Return the recorder of the device, or None if steps run uncaptured."""
    target = torch.device(device)
    return CudaGraphs(target) if target.type == "cuda" and not os.environ.get(EAGER) else None


class Replayed:
    """A step that is recorded and replayed if there is a ``recorder``.

    A step may change anything in place (weights, optimiser) and returns one tensor, which is valid until the next call.
    Everything that varies between calls must be an input, and the step must not read values on the host (``item()``,
    ``if tensor``). With a recorder, the first :data:`WARM` calls for given shapes run uncaptured; further ones copy
    their inputs to the buffers of the recording and replay it.
    """

    def __init__(self, step: Step, recorder: Recorder | None) -> None:
        self._step = step
        self._recorder = recorder
        self._calls: dict[tuple[torch.Size, ...], int] = {}
        self._recorded: dict[tuple[torch.Size, ...], tuple[tuple[Tensor, ...], Callable[[], None], Tensor]] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the step. Raises AlsegError if it cannot be recorded."""
        if self._recorder is None:
            return self._step(*inputs)
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._recorded:
            self._calls[shapes] = self._calls.get(shapes, 0) + 1
            if self._calls[shapes] <= WARM or len(self._recorded) == SHAPES:
                return self._recorder.warm(self._step, inputs)
            self._recorded[shapes] = self._record(self._recorder, inputs)
        buffers, replay, result = self._recorded[shapes]
        for buffer, tensor in zip(buffers, inputs, strict=True):
            buffer.copy_(tensor, non_blocking=True)
        replay()
        return result

    def _record(
        self, recorder: Recorder, inputs: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, ...], Callable[[], None], Tensor]:
        buffers = tuple(tensor.clone() for tensor in inputs)
        try:
            return buffers, *recorder.record(self._step, buffers)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # the state of the device is undefined now, so the run cannot continue
            reason = next(iter(str(error).splitlines()), "")
            raise AlsegError(
                f"the training step cannot be captured as a CUDA graph: {reason} "
                f"Set {EAGER}=1 to run it uncaptured, slower."
            ) from error
