"""The 3D U-Net of all volumetric networks: whole volumes in, logits and features of their slices out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from alseg_core.models.module import SegmentationModule
from alseg_core.models.split_conv import split_convolutions
from alseg_core.models.stages import Axes, Stages

DROPPING = 2
"""Number of levels, counted from the deepest, whose outputs are dropped."""
SIGMA = 0.125
"""Standard deviation of the weights along a window, as a share of its slices."""

Parts = Callable[[Tensor], tuple[Tensor, ...]]
"""Function of neighbouring slices (d, C, H, W) to tensors whose first axis counts slices, too."""


class VolumeUNet(SegmentationModule):
    """MONAI's DynUNet (instance norm, strided convolutions), with dropout, a second decoder and features of slices.

    Every method takes the slices (D, C, H, W) of ONE volume in order of z, any number of any size; edges are repeated
    up to what the poolings divide. In training the slices are one pass, in evaluation mode windows of ``window`` slices
    that overlap by half, whose outputs are averaged with Gaussian weights along z (without ``blends``, the window whose
    centre is nearest gives a slice its outputs). A pass then needs memory in
    proportion to the voxels of a window, and what is returned is as large as the volume.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        widths: Sequence[int],
        stages: Stages,
        window: int,
        *,
        dropout: float = 0.0,
        deep: int = 0,
        dual: bool = False,
        aux_dropout: float = 0.0,
    ) -> None:
        """Build it with random weights.

        widths: channels of each level, finest first. dropout: rate after the two deepest levels of the encoder. deep:
        resolutions below the full one that are supervised. dual: whether it has a second decoder, on the features under
        3D dropout of rate ``aux_dropout``.
        """
        from monai.networks.nets import DynUNet  # takes seconds, so only where it is used

        super().__init__()

        def built() -> Any:
            net = DynUNet(
                3,
                channels,
                classes,
                stages.kernels,
                stages.strides,
                stages.strides[1:],
                filters=widths,
                deep_supervision=deep > 0,
                deep_supr_num=max(1, deep),
            )
            split_convolutions(net)
            return net

        self.net: Any = built()
        self.aux = _Decoder(built()) if dual else None
        levels = len(stages.strides)
        rates = [dropout if level >= levels - DROPPING else 0.0 for level in range(levels)]
        self.dropouts = nn.ModuleList(nn.Dropout(rate) for rate in rates)
        self.aux_dropout, self.window = aux_dropout, window
        self.step: Axes = (
            math.prod(z for z, _, _ in stages.strides),
            math.prod(y for _, y, _ in stages.strides),
            math.prod(x for _, _, x in stages.strides),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the main logits (D, K, H, W)."""
        return self._by_windows(images, lambda part: (self._logits(part),))[0]

    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the logits (D, K, H, W) of every head, the main one first."""
        return self._by_windows(images, lambda part: self._scales(part)[0])

    def scales(self, images: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """Return the heads at every supervised resolution, the full one first, all at full size; for training."""
        return self._scales(images)

    def features(self, images: Tensor) -> Tensor:
        """Return one vector (D, widths[-1]) per slice: the deepest features, averaged in the plane.

        Between the centres of what poolings leave along z, vectors are interpolated.
        """
        return self._by_windows(images, lambda part: (self._features(part),))[0]

    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the main logits (D, K, H, W) and the input of the last layer (D, widths[0], H, W)."""
        logits, features = self._by_windows(images, self._pixel_features)
        return logits, features

    def placed(self, device: str | torch.device) -> SegmentationModule:
        """Move the network to the device."""
        return self.to(device)

    def _by_windows(self, images: Tensor, parts: Parts) -> tuple[Tensor, ...]:
        """Return ``parts`` of all slices, from one pass or from overlapping windows."""
        assert self.window is not None
        if self.training or len(images) <= self.window:
            return parts(images)
        starts = window_starts(len(images), self.window)
        total = images.new_zeros(len(images), dtype=torch.float32)
        sums: list[Tensor] = []
        for start, weight in zip(starts, self._weights(starts, len(images)).to(images.device), strict=True):
            rows = slice(start, start + self.window)
            found = parts(images[rows])
            sums = sums or [one.new_zeros((len(images), *one.shape[1:]), dtype=torch.float32) for one in found]
            for whole, one in zip(sums, found, strict=True):
                whole[rows].addcmul_(one.float(), _along_z(weight, one))
            total[rows] += weight
        return tuple(whole.div_(_along_z(total, whole)) for whole in sums)

    def _weights(self, starts: list[int], depth: int) -> Tensor:
        """Return the weights (windows, window) of the slices of each window among ``depth`` slices."""
        assert self.window is not None
        place = torch.arange(self.window) - (self.window - 1) / 2
        if self.blends:
            return torch.exp(-0.5 * (place / (SIGMA * self.window)) ** 2).expand(len(starts), -1)
        first = torch.tensor(starts)
        nearest = (torch.arange(depth) - (self.window - 1) / 2 - first[:, None]).abs().argmin(dim=0)
        own = nearest[first[:, None] + torch.arange(self.window)] == torch.arange(len(starts))[:, None]
        return own.float()

    def _logits(self, images: Tensor) -> Tensor:
        *_, finest = _decoded(self.net.upsamples, self._levels(images))
        return _slices(self.net.output_block(finest), images)

    def _scales(self, images: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        levels = self._levels(images)
        heads = [_supervised(self.net, levels)]
        if self.aux is not None:
            dropped = [functional.dropout3d(level, self.aux_dropout, training=self.training) for level in levels]
            heads.append(_supervised(self.aux, dropped))
        return tuple(tuple(_slices(logits, images) for logits in scale) for scale in zip(*heads, strict=True))

    def _features(self, images: Tensor) -> Tensor:
        vectors = self._levels(images)[-1].mean(dim=(3, 4))
        depth = vectors.shape[2] * self.step[0]
        return functional.interpolate(vectors, size=depth, mode="linear")[0].T[: len(images)]

    def _pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        *_, finest = _decoded(self.net.upsamples, self._levels(images))
        return _slices(self.net.output_block(finest), images), _slices(finest, images)

    def _levels(self, images: Tensor) -> list[Tensor]:
        """Return the features (1, widths[l], D_l, H_l, W_l) of each level l of the encoder, finest first."""
        blocks = (self.net.input_block, *self.net.downsamples, self.net.bottleneck)
        levels, x = [], self._padded(images)
        for block, dropout in zip(blocks, self.dropouts, strict=True):
            x = dropout(block(x))
            levels.append(x)
        return levels

    def _padded(self, images: Tensor) -> Tensor:
        """Return the volume (1, C, D', H', W'): edges are repeated up to multiples of what the poolings divide.

        One voxel at the deepest level would be too few for its instance norm; then there are two columns.
        """
        volume = images.movedim(0, 1).unsqueeze(0)
        after = [-size % step for size, step in zip(volume.shape[2:], self.step, strict=True)]
        deepest = [(s + a) // step for s, a, step in zip(volume.shape[2:], after, self.step, strict=True)]
        if math.prod(deepest) == 1:
            after[2] += self.step[2]
        if not any(after):
            return volume
        return functional.pad(volume, (0, after[2], 0, after[1], 0, after[0]), mode="replicate")


class _Decoder(nn.Module):
    """The decoder of a DynUNet alone."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.upsamples, self.output_block = net.upsamples, net.output_block
        self.deep_supervision_heads = getattr(net, "deep_supervision_heads", nn.ModuleList())


def _decoded(upsamples: Any, levels: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the features of the decoder, deepest first."""
    x = levels[-1]
    for up, skip in zip(upsamples, reversed(levels[:-1]), strict=True):
        x = up(x, skip)
        yield x


def _supervised(decoder: Any, levels: Sequence[Tensor]) -> list[Tensor]:
    """Return the logits of every supervised resolution, the full one first, all resized to it (nearest neighbour)."""
    *coarse, finest = _decoded(decoder.upsamples, levels)
    logits = [decoder.output_block(finest)]
    heads = getattr(decoder, "deep_supervision_heads", ())
    for head, features in zip(heads, reversed(coarse), strict=False):  # the deepest resolutions have none
        logits.append(functional.interpolate(head(features), logits[0].shape[2:]))
    return logits


def _slices(volume: Tensor, images: Tensor) -> Tensor:
    """Return the slices (D, C', H, W) of a volume (1, C', D', H', W') without what :meth:`VolumeUNet._padded` added."""
    return volume[0].movedim(1, 0)[: len(images), :, : images.shape[2], : images.shape[3]]


def window_starts(depth: int, window: int) -> list[int]:
    """Return the first slices of windows that overlap by half and cover ``depth`` > ``window`` slices."""
    return [*range(0, depth - window, max(1, window // 2)), depth - window]


def _along_z(values: Tensor, like: Tensor) -> Tensor:
    """Return values (d,) in the shape (d, 1, ...) of tensors like ``like``."""
    return values.view(-1, *(1 for _ in range(like.ndim - 1)))
