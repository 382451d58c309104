"""A training step, done call by call or, on a GPU, captured once and replayed.

Small networks are limited by the launching of their kernels: a captured step is launched as one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Step = Callable[..., Tensor]

WARM = 3
"""Calls with inputs of the same shapes before the step is captured: libraries choose and allocate in the first ones."""

SHAPES = 4
"""Sets of input shapes that are captured; each holds memory. Further ones run uncaptured."""


class Recorder(Protocol):
    """Runs a step and records it."""

    def warm(self, step: Step, inputs: tuple[Tensor, ...]) -> Tensor:
        """Run ``step(*inputs)`` in a way that a later recording does not stumble over."""
        ...

    def record(self, step: Step, inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """A call that does ``step(*inputs)`` again on what the inputs hold then, and the tensor its result is in."""
        ...


class CudaGraphs:
    """Records with CUDA graphs."""

    def warm(self, step: Step, inputs: tuple[Tensor, ...]) -> Tensor:
        """On a stream of its own: nothing of the step is tied to the default stream, which cannot be captured."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = step(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def record(self, step: Step, inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Tensor]:
        """See :class:`Recorder`. Nothing is computed while the graph is captured."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = step(*inputs)
        return graph.replay, result


def recorder(device: str | torch.device) -> Recorder | None:
    """What records steps on the device, None where every step is run as it is."""
    return CudaGraphs() if torch.device(device).type == "cuda" else None


class Replayed:
    """``step(*inputs)``, recorded and replayed where there is a ``recorder``.

    A step may change anything in place (weights, optimiser) and returns one tensor, which is valid until the next call.
    All that differs from call to call must come in through its inputs, and it must ask nothing of the host (``item()``,
    ``if tensor``). With a recorder the first :data:`WARM` calls for given shapes run as they are, further ones copy
    their inputs to where the recording reads them and replay it. A step that cannot be recorded goes on as it is, with
    a warning.
    """

    def __init__(self, step: Step, recorder: Recorder | None) -> None:
        self._step = step
        self._recorder = recorder
        self._calls: dict[tuple[torch.Size, ...], int] = {}
        self._recorded: dict[tuple[torch.Size, ...], tuple[tuple[Tensor, ...], Callable[[], None], Tensor]] = {}

    @property
    def recordings(self) -> int:
        """Sets of shapes whose step has been recorded."""
        return len(self._recorded)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Do the step."""
        if self._recorder is None:
            return self._step(*inputs)
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._recorded and not self._record(shapes, inputs):
            return self._recorder.warm(self._step, inputs)
        if shapes not in self._recorded:  # the recording has just failed
            return self._step(*inputs)
        places, replay, result = self._recorded[shapes]
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        replay()
        return result

    def _record(self, shapes: tuple[torch.Size, ...], inputs: tuple[Tensor, ...]) -> bool:
        """Whether the step is past its warm calls; it is recorded then if it can be."""
        self._calls[shapes] = self._calls.get(shapes, 0) + 1
        if self._calls[shapes] <= WARM or len(self._recorded) == SHAPES:
            return False
        assert self._recorder is not None
        places = tuple(tensor.clone() for tensor in inputs)
        try:
            self._recorded[shapes] = (places, *self._recorder.record(self._step, places))
        except RuntimeError as error:
            self._recorder = None
            warnings.warn(f"the step cannot be captured and runs uncaptured, slower: {error}", stacklevel=3)
        return True
