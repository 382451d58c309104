"""The two U-Nets of the paper's protocol from plain torch modules, every convolution with a bias."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128, 256)
DROPOUTS = (0.05, 0.1, 0.2, 0.3, 0.5)
AUX_DROPOUT = 0.5


class Block(nn.Sequential):
    """conv3x3-BN-LeakyReLU-dropout-conv3x3-BN-LeakyReLU."""

    def __init__(self, inside: int, outside: int, dropout: float) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, 3, padding=1),
            nn.BatchNorm2d(outside),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(outside, outside, 3, padding=1),
            nn.BatchNorm2d(outside),
            nn.LeakyReLU(),
        )


class Up(nn.Sequential):
    """1x1 convolution and bilinear upsampling."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__(nn.Conv2d(coarse, fine, 1), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))


class Decoder(nn.Module):
    """Decoder from the features of all levels to logits."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        steps = range(len(widths) - 1, 0, -1)
        self.ups = nn.ModuleList(Up(widths[i], widths[i - 1]) for i in steps)
        self.blocks = nn.ModuleList(Block(2 * widths[i - 1], widths[i - 1], 0.0) for i in steps)
        self.out = nn.Conv2d(widths[0], classes, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Return logits (B, K, H, W)."""
        x = levels[-1]
        for up, block, skip in zip(self.ups, self.blocks, levels[-2::-1], strict=True):
            x = block(torch.cat([skip, up(x)], dim=1))
        logits: Tensor = self.out(x)
        return logits


class PlainUNet(nn.Module):
    """U-Net with one decoder, or two if ``dual``; forward returns the logits of every head, the main one first."""

    def __init__(
        self,
        classes: int,
        dual: bool,
        channels: int = 1,
        widths: tuple[int, ...] = WIDTHS,
        dropouts: tuple[float, ...] = DROPOUTS,
    ) -> None:
        super().__init__()
        inside = (channels, *widths[:-1])
        self.blocks = nn.ModuleList(Block(i, o, p) for i, o, p in zip(inside, widths, dropouts, strict=True))
        self.decoder = Decoder(widths, classes)
        self.aux_decoder = Decoder(widths, classes) if dual else None

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of every head for images (B, C, H, W)."""
        levels: list[Tensor] = []
        for block in self.blocks:
            levels.append(block(nn.functional.max_pool2d(levels[-1], 2) if levels else images))
        main = self.decoder(levels)
        if self.aux_decoder is None:
            return (main,)
        dropped = [nn.functional.dropout2d(level, AUX_DROPOUT, self.training) for level in levels]
        return main, self.aux_decoder(dropped)


Layer = nn.Conv2d | nn.BatchNorm2d


def pairs(network: nn.Module, other: nn.Module) -> list[tuple[Layer, Layer]]:
    """Pair the layers of two networks of the same shape, kind by kind in order of creation."""
    found: list[tuple[Layer, Layer]] = []
    for kind in (nn.Conv2d, nn.BatchNorm2d):
        ours = [module for module in network.modules() if isinstance(module, kind)]
        theirs = [module for module in other.modules() if isinstance(module, kind)]
        found += list(zip(ours, theirs, strict=True))
    return found


@torch.no_grad()
def copy_weights(network: PlainUNet, source: nn.Module) -> PlainUNet:
    """Copy the weights of ``source`` to ``network`` and return it; a bias that the source lacks becomes 0."""
    for mine, theirs in pairs(network, source):
        mine.load_state_dict({"bias": torch.zeros_like(mine.state_dict()["bias"]), **theirs.state_dict()})
    return network
