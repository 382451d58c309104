"""Two random views of each slice (method of SimCLR, Chen et al., ICML 2020; settings of Vepa et al., NeurIPS 2024)."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as F

from alseg_core.quantities import Positive, Weight
from alseg_core.registry import component


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound is above the upper bound")
    return bounds


Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
ShareRange = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
SigmaRange = Annotated[tuple[Weight, Weight], AfterValidator(_ordered)]

DRAWS = 16
"""Number of random numbers for one view of one image."""


@component
class TwoViews:
    """Random crop, flip, affine map, blur and erasing, drawn anew for each of two views."""

    crop_scale: ShareRange = (0.8, 1.0)
    """Range of the share of the image's area that a crop keeps, in (0, 1]."""
    crop_ratio: Range = (3 / 4, 4 / 3)
    """Range of width / height of the crop over that of the image, > 0."""
    flip: Probability = 0.5
    """Probability of a left-right flip."""
    degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Largest rotation, in degrees, 0..180."""
    translate: Probability = 0.2
    """Largest shift, as a share of the side, in [0, 1]."""
    scale: Range = (0.8, 1.2)
    """Range of the zoom factor, > 0."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 10.0
    """Largest shear along x, in degrees, 0 to below 90."""
    blur_radius: Annotated[int, Field(ge=0, le=100)] = 2
    """Radius of the blur window, in pixels (2 is a 5x5 window); 0 for no blur."""
    blur_sigma: SigmaRange = (0.1, 2.0)
    """Range of the standard deviation of the blur, in pixels, >= 0."""
    erase: Probability = 0.2
    """Probability that a rectangle is set to 0."""
    erase_scale: ShareRange = (0.02, 0.33)
    """Range of the share of the area that is erased, in (0, 1]."""
    erase_ratio: Range = (0.3, 3.3)
    """Range of height / width of the erased rectangle, > 0."""

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw the random numbers for the views of ``count`` images: (2 * count, 16) float32, uniform in [0, 1)."""
        return torch.rand((2 * count, DRAWS), generator=generator, device=generator.device)

    def __call__(self, images: Tensor, u: Tensor) -> Tensor:
        """Images (B, C, H, W) float32 -> views (2B, C, H, W) on the same device, first views in rows 0..B-1.

        u: :meth:`draws` of the B images, on their device. No value is transferred to the host.
        """
        both = images.repeat(2, 1, 1, 1)
        return self._erase(self._blur(self._warp(both, u[:, :10]), u[:, 10]), u[:, 11:])

    def _warp(self, images: Tensor, u: Tensor) -> Tensor:
        """Crop, flip and affine map as one resampling; pixels outside the image are 0.

        Beyond the crop, the affine map sees the image, not the 0 that two resamplings would give.
        """
        aspect = images.shape[3] / images.shape[2]
        width, height, x, y = _box(u[:, :4], self.crop_scale, self.crop_ratio)
        flip, turn, right, down, zoom, slant = u[:, 4:].unbind(1)
        angle = torch.deg2rad(_between(turn, (-self.degrees, self.degrees)))
        tan = torch.tan(torch.deg2rad(_between(slant, (-self.shear, self.shear))))
        dx, dy = (_between(d, (-2 * self.translate, 2 * self.translate)) for d in (right, down))  # sides are 2 long
        cos, sin, shrink = angle.cos(), angle.sin(), 1 / _between(zoom, self.scale)
        # output -> input: undo shift, rotation, shear and zoom (in square pixels), then the flip, then go into the crop
        m = torch.stack([cos + tan * sin, (sin - tan * cos) / aspect, -sin * aspect, cos], dim=1).view(-1, 2, 2)
        m = m * shrink[:, None, None]
        shift = -(m @ torch.stack([dx, dy], dim=1)[:, :, None])
        mirror = 1 - 2 * (flip < self.flip).to(u.dtype)
        into = torch.stack([width * mirror, height], dim=1)[:, :, None]
        centre = torch.stack([2 * x + width - 1, 2 * y + height - 1], dim=1)[:, :, None]
        theta = torch.cat([into * m, into * shift + centre], dim=2)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _blur(self, images: Tensor, u: Tensor) -> Tensor:
        """Gaussian blur with a sigma per image, as one separable, grouped convolution."""
        if self.blur_radius == 0:
            return images
        r, (n, channels, rows, columns) = self.blur_radius, images.shape
        sigma = _between(u, self.blur_sigma).clamp_min(1e-3)  # sigma 0 is the identity
        offset = torch.arange(-r, r + 1, device=images.device, dtype=images.dtype)
        kernel = torch.softmax(-(offset**2) / (2 * sigma[:, None] ** 2), dim=1).repeat_interleave(channels, dim=0)
        flat = F.pad(images.reshape(1, n * channels, rows, columns), (r, r, r, r), mode="reflect")
        flat = F.conv2d(flat, kernel[:, None, :, None], groups=n * channels)
        return F.conv2d(flat, kernel[:, None, None, :], groups=n * channels).view(n, channels, rows, columns)

    def _erase(self, images: Tensor, u: Tensor) -> Tensor:
        """Set a random rectangle to 0 in some of the images."""
        height, width, y, x = _box(u[:, 1:], self.erase_scale, self.erase_ratio)
        in_rows = _within(images.shape[2], y, height)
        in_columns = _within(images.shape[3], x, width)
        hit = in_rows[:, :, None] & in_columns[:, None, :] & (u[:, 0] < self.erase)[:, None, None]
        return images.masked_fill(hit[:, None], 0)


def _between(u: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Map u, uniform in [0, 1), to uniform in the bounds."""
    return bounds[0] + u * (bounds[1] - bounds[0])


def _within(pixels: int, start: Tensor, length: Tensor) -> Tensor:
    """Return (n, pixels) bool, whether pixel centres are in the interval; lengths are shares of the side."""
    centre = (torch.arange(pixels, device=start.device, dtype=start.dtype) + 0.5) / pixels
    return (centre >= start[:, None]) & (centre < (start + length)[:, None])


def _box(u: Tensor, areas: tuple[float, float], ratios: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random boxes inside the unit square from u (n, 4), uniform in [0, 1).

    Returns the sides a and b and their starts, each (n,): a * b is uniform in ``areas``, a / b log-uniform in the part
    of ``ratios`` that fits into the square.
    """
    area, ratio, along_a, along_b = u.unbind(1)
    size = _between(area, areas).log()
    upper = (-size).clamp_max(math.log(ratios[1]))  # a <= 1 and b <= 1 mean |log(a / b)| <= -log(area)
    lower = torch.minimum(size.clamp_min(math.log(ratios[0])), upper)
    skew = lower + ratio * (upper - lower)
    a, b = ((size + skew) / 2).exp().clamp_max(1), ((size - skew) / 2).exp().clamp_max(1)
    return a, b, along_a * (1 - a), along_b * (1 - b)
