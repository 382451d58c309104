from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from alseg_core.device.feed import _staged, feed, placed


def arrays() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(30, 2, 3, generator=generator), torch.randint(0, 9, (30,), generator=generator).to(torch.uint8)


@pytest.mark.parametrize("sizes", [[4] * 7, [4, 1, 6, 6, 2], [3], []])
def test_resident_and_staged_batches_are_the_rows(sizes: list[int]) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 30, size) for size in sizes]
    images, labels = arrays()
    expected = [(images[torch.from_numpy(b)], labels[torch.from_numpy(b)]) for b in batches]
    for way in (feed((images, labels), batches, "cpu"), _staged((images, labels), batches, torch.device("cpu"))):
        # what is yielded lasts until the next is asked for
        seen = [tuple(t.clone() for t in tensors) for tensors in way] if sizes else []
        assert len(seen) == len(batches)
        for got, wanted in zip(seen, expected, strict=True):
            assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(got, wanted, strict=True))


def test_a_staged_batch_lasts_until_the_next_is_asked_for() -> None:
    images, labels = arrays()
    batches = [np.array([i, i + 1]) for i in range(9)]
    for batch, (got, _) in zip(batches, _staged((images, labels), batches, torch.device("cpu")), strict=True):
        assert torch.equal(got, images[batch[0] : batch[1] + 1])


class Gpu:
    """Stand-in for an array that records the device it is moved to."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes

    def pin_memory(self) -> str:
        return "host"

    def to(self, device: torch.device) -> str:
        return device.type


@pytest.mark.parametrize(("free", "where"), [(219, "host"), (220, "cuda")])
def test_arrays_go_to_the_device_together_or_not_at_all(free: int, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alseg_core.device.feed._free", lambda device: free)
    arrays: list[Any] = [Gpu(100), Gpu(10)]
    assert placed(arrays, "cuda") == [where, where]


def test_the_cpu_holds_any_array_without_a_copy() -> None:
    images, _ = arrays()
    assert placed([images], "cpu")[0].data_ptr() == images.data_ptr()
