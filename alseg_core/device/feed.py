"""Batches of rows of large arrays, prefetched to the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from alseg_core.vocabulary import IntArray

SHARE = 0.5
"""Share of the device's free memory that a pool may take; the rest is for networks and their activations."""


def placed(arrays: Sequence[Tensor], device: str | torch.device) -> list[Tensor]:
    """Move the arrays to the device if all of them fit, else to pinned host memory; on the CPU they always fit."""
    target = torch.device(device)
    size = sum(array.nbytes for array in arrays)
    if target.type == "cuda" and size > SHARE * _free(target):
        return [array.pin_memory() for array in arrays]
    return [array.to(target) for array in arrays]


def _free(device: torch.device) -> int:
    """Free memory of the GPU, in bytes, including what this process has reserved and does not use."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def feed(
    arrays: Sequence[Tensor], batches: Sequence[IntArray], device: str | torch.device
) -> Iterator[tuple[Tensor, ...]]:
    """Yield the rows ``batches[i]`` of every array on the device, batch by batch.

    arrays: (N, ...) each, all on the device or all in host memory. A batch is valid until the next one is requested.
    Rows in host memory are gathered and sent while the device works on the previous batch.
    """
    target = torch.device(device)
    if not len(batches):
        return iter(())
    if all(array.device.type == target.type for array in arrays):
        return _resident(arrays, batches)
    return _staged(arrays, batches, target)


def _resident(arrays: Sequence[Tensor], batches: Sequence[IntArray]) -> Iterator[tuple[Tensor, ...]]:
    ends = np.cumsum([len(batch) for batch in batches]).tolist()
    rows = torch.from_numpy(np.concatenate(batches)).to(arrays[0].device)  # one transfer, not one per step
    for start, end in zip([0, *ends], ends, strict=False):
        yield tuple(array.index_select(0, rows[start:end]) for array in arrays)


def _staged(
    arrays: Sequence[Tensor], batches: Sequence[IntArray], device: torch.device
) -> Iterator[tuple[Tensor, ...]]:
    """Alternate between two slots: while the device works on one batch, the other slot is filled and sent."""
    longest = max(len(batch) for batch in batches)
    slots = [_Slot(arrays, longest, device) for _ in range(2)]
    slots[0].send(batches[0])
    for number, batch in enumerate(batches):
        slot = slots[number % 2]
        ready = slot.receive(len(batch))
        if number + 1 < len(batches):
            slots[(number + 1) % 2].send(batches[number + 1])
        yield ready
        slot.release()


class _Slot:
    """One transfer slot: a pinned host buffer, a device buffer and a copy stream."""

    def __init__(self, arrays: Sequence[Tensor], longest: int, device: torch.device) -> None:
        self._arrays = arrays
        self._cuda = device.type == "cuda"
        self._host = [torch.empty((longest, *a.shape[1:]), dtype=a.dtype, pin_memory=self._cuda) for a in arrays]
        self._target = [torch.empty_like(buffer, device=device) for buffer in self._host]
        if self._cuda:
            self._device = device
            self._stream = torch.cuda.Stream(device)
            self._sent, self._free = torch.cuda.Event(), torch.cuda.Event()
            self.release()  # the memory may have belonged to a tensor that queued work still reads
            for buffer in self._target:
                buffer.record_stream(self._stream)

    def send(self, rows: IntArray) -> None:
        """Gather rows and start their transfer."""
        if self._cuda:
            self._sent.synchronize()  # the previous transfer may still read the pinned buffer
        chosen = torch.from_numpy(rows)
        for array, buffer in zip(self._arrays, self._host, strict=True):
            torch.index_select(array, 0, chosen, out=buffer[: len(rows)])
        with self._side():
            if self._cuda:
                self._stream.wait_event(self._free)
            for buffer, target in zip(self._host, self._target, strict=True):
                target[: len(rows)].copy_(buffer[: len(rows)], non_blocking=True)
            if self._cuda:
                self._sent.record(self._stream)

    def receive(self, count: int) -> tuple[Tensor, ...]:
        """Return the rows sent last, ready for the current stream."""
        if self._cuda:
            torch.cuda.current_stream(self._device).wait_event(self._sent)
        return tuple(target[:count] for target in self._target)

    def release(self) -> None:
        """Allow the device buffer to be overwritten once all work queued so far is done."""
        if self._cuda:
            self._free.record(torch.cuda.current_stream(self._device))

    def _side(self) -> AbstractContextManager[object]:
        return torch.cuda.stream(self._stream) if self._cuda else nullcontext()
