"""3D convolutions of one volume at the speed of a batch, on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PLENTY = 20480
"""Product of the first four sizes of an input above which PyTorch takes oneDNN for a single volume, too."""


class SplitConv3d(nn.Conv3d):
    """``nn.Conv3d`` that convolves a small single volume on a CPU as a batch of two halves that overlap.

    PyTorch leaves a batch of one small volume to a convolution several times as slow as oneDNN's, which it takes from
    two on (``ConvParams::use_mkldnn`` of aten/src/ATen/native/Convolution.cpp). The result is the same up to rounding.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolved volumes (N, C', D', H', W') of (N, C, D, H, W)."""
        if not self._slow(input):
            return super().forward(input)
        (_, kernel, _), (_, stride, _), (depth, rows, columns) = self.kernel_size, self.stride, _padding(self)
        padded = functional.pad(input, (0, 0, rows, rows)) if rows else input
        out = (padded.shape[3] - kernel) // stride + 1
        half = -(-out // 2)
        second, size = (out - half) * stride, (half - 1) * stride + kernel
        halves = torch.cat([padded[:, :, :, :size], padded[:, :, :, second : second + size]])
        first, last = functional.conv3d(halves, self.weight, self.bias, self.stride, (depth, 0, columns)).split(1)
        return torch.cat([first, last[:, :, :, 2 * half - out :]], dim=3)

    def _slow(self, volumes: Tensor) -> bool:
        count, channels, depth, rows, _ = volumes.shape
        return (
            volumes.is_cpu
            and count == 1
            and channels * depth * rows <= PLENTY
            and max(self.kernel_size) > 1
            and max(self.dilation) == self.groups == 1
        )


def split_convolutions(net: nn.Module) -> None:
    """Turn all 3D convolutions of ``net`` into :class:`SplitConv3d`; weights and their names stay."""
    for module in net.modules():
        if type(module) is nn.Conv3d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            module.__class__ = SplitConv3d


def _padding(module: nn.Conv3d) -> tuple[int, ...]:
    padding: Any = module.padding
    return tuple(padding)
