"""Batches of rows of large arrays, on the device when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from alseg_core.vocabulary import IntArray

SHARE = 0.5
"""Share of the device's free memory that a pool may take; the rest is for networks and what they compute."""


def placed(arrays: Sequence[Tensor], device: str | torch.device) -> list[Tensor]:
    """The arrays on the device when all of them fit there, else in pinned memory of the host; the CPU holds any."""
    target = torch.device(device)
    size = sum(array.nbytes for array in arrays)
    if target.type == "cuda" and size > SHARE * _free(target):
        return [array.pin_memory() for array in arrays]
    return [array.to(target) for array in arrays]


def _free(device: torch.device) -> int:
    """Bytes of the GPU that nobody holds, those among them that this process holds and does not use."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def feed(
    arrays: Sequence[Tensor], batches: Sequence[IntArray], device: str | torch.device
) -> Iterator[tuple[Tensor, ...]]:
    """The rows ``batches[i]`` of every array, on the device, batch after batch.

    arrays: (N, ...) each, all on the device or all in the memory of the host. What is yielded is valid until the next
    batch is asked for. Arrays of the host are gathered and sent while the device works on the batch before.
    """
    target = torch.device(device)
    if not len(batches):
        return iter(())
    if all(array.device.type == target.type for array in arrays):
        return _resident(arrays, batches)
    return _staged(arrays, batches, target)


def _resident(arrays: Sequence[Tensor], batches: Sequence[IntArray]) -> Iterator[tuple[Tensor, ...]]:
    ends = np.cumsum([len(batch) for batch in batches]).tolist()
    rows = torch.from_numpy(np.concatenate(batches)).to(arrays[0].device)  # once, not a transfer a step
    for start, end in zip([0, *ends], ends, strict=False):
        yield tuple(array.index_select(0, rows[start:end]) for array in arrays)


def _staged(
    arrays: Sequence[Tensor], batches: Sequence[IntArray], device: torch.device
) -> Iterator[tuple[Tensor, ...]]:
    """Two lanes in turn: while the device works on what came through one, the other is filled and sent."""
    longest = max(len(batch) for batch in batches)
    lanes = [_Lane(arrays, longest, device) for _ in range(2)]
    lanes[0].send(batches[0])
    for number, batch in enumerate(batches):
        lane = lanes[number % 2]
        ready = lane.receive(len(batch))
        if number + 1 < len(batches):
            lanes[(number + 1) % 2].send(batches[number + 1])
        yield ready
        lane.release()


class _Lane:
    """One way from the memory of the host to the device: a pinned place there, a place here, a stream between them."""

    def __init__(self, arrays: Sequence[Tensor], longest: int, device: torch.device) -> None:
        self._arrays = arrays
        self._cuda = device.type == "cuda"
        self._host = [torch.empty((longest, *a.shape[1:]), dtype=a.dtype, pin_memory=self._cuda) for a in arrays]
        self._there = [torch.empty_like(place, device=device) for place in self._host]
        if self._cuda:
            self._device = device
            self._stream = torch.cuda.Stream(device)
            self._sent, self._free = torch.cuda.Event(), torch.cuda.Event()
            self.release()  # the place may have been another tensor's, which queued work still reads
            for place in self._there:
                place.record_stream(self._stream)

    def send(self, rows: IntArray) -> None:
        """Gather the rows and start their transfer."""
        if self._cuda:
            self._sent.synchronize()  # the pinned place may still be read by the transfer before
        chosen = torch.from_numpy(rows)
        for array, place in zip(self._arrays, self._host, strict=True):
            torch.index_select(array, 0, chosen, out=place[: len(rows)])
        with self._side():
            if self._cuda:
                self._stream.wait_event(self._free)
            for place, there in zip(self._host, self._there, strict=True):
                there[: len(rows)].copy_(place[: len(rows)], non_blocking=True)
            if self._cuda:
                self._sent.record(self._stream)

    def receive(self, count: int) -> tuple[Tensor, ...]:
        """What was sent, ready for the stream that asks."""
        if self._cuda:
            torch.cuda.current_stream(self._device).wait_event(self._sent)
        return tuple(there[:count] for there in self._there)

    def release(self) -> None:
        """What was received has been used by all work queued so far."""
        if self._cuda:
            self._free.record(torch.cuda.current_stream(self._device))

    def _side(self) -> AbstractContextManager[object]:
        return torch.cuda.stream(self._stream) if self._cuda else nullcontext()
