"""How much work each part does: that of a GPU, or little enough for a CPU in seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from alseg_core.models.unet import UNet, UNetDual
from material import POOL


@dataclass(frozen=True)
class Scale:
    """Sizes of all parts."""

    small: bool
    """Whether networks are narrow and ceilings measured briefly."""
    side: int
    """Rows and columns of generated slices in pixels."""
    patients: int
    """Number of generated patients, with two volumes each."""
    pool: int
    """Labelled slices that are trained on."""
    skip: int
    """Steps before the timed ones."""
    steps: int
    """Steps that are timed."""
    long: int
    """Steps of a training with validation."""
    every: int
    """Steps between validations."""
    equal_side: int
    """Rows and columns of slices in trainings that are compared, small because a CPU trains, too."""
    equal_steps: int
    """Steps of these trainings."""
    window: int
    """Slices of a volume of the 3D networks."""
    volume_side: int
    """Rows and columns of these volumes."""
    encoder_cases: int
    """Most volumes that the encoder is trained on."""
    encoder_side: int
    """Rows and columns that slices are resized to for the encoder."""
    scored: int
    """Slices whose uncertainty is scored."""
    features: int
    """Length of feature vectors to choose slices by."""
    candidates: int
    """Slices to choose from."""
    centres: int
    """Slices to choose."""
    fused_side: int
    """Rows and columns of slices to choose from by the fused metric."""
    learning: int
    """Steps of trainings whose Dice is compared."""
    together: int
    """Steps of each of several trainings at once."""

    def full(self, still: bool = False) -> UNet:
        """Return the U-Net for full masks. still: without dropout, so that devices compute the same."""
        network = UNet(widths=(4, 8), dropouts=(0.1, 0.2)) if self.small else UNet()
        return replace(network, dropouts=_none_of(network)) if still else network

    def dmpls(self, still: bool = False) -> UNetDual:
        """Return the dual U-Net for scribbles; see :meth:`full`."""
        network = UNetDual(widths=(4, 8), dropouts=(0.1, 0.2)) if self.small else UNetDual()
        return replace(network, dropouts=_none_of(network), aux_dropout=0.0) if still else network


def _none_of(network: UNet) -> tuple[float, ...]:
    return (0.0,) * len(network.widths)


FULL = Scale(
    small=False,
    side=256,
    patients=20,
    pool=72,
    skip=20,
    steps=400,
    long=2000,
    every=200,
    equal_side=64,
    equal_steps=50,
    window=32,
    volume_side=256,
    encoder_cases=1000,
    encoder_side=256,
    scored=64,
    features=512,
    candidates=POOL,
    centres=100,
    fused_side=256,
    learning=600,
    together=600,
)
"""Sizes of the paper's protocol on ACDC."""

TINY = Scale(
    small=True,
    side=32,
    patients=3,
    pool=8,
    skip=4,
    steps=4,
    long=8,
    every=4,
    equal_side=16,
    equal_steps=8,
    window=8,
    volume_side=32,
    encoder_cases=1,
    encoder_side=16,
    scored=4,
    features=16,
    candidates=60,
    centres=5,
    fused_side=32,
    learning=6,
    together=2,
)
"""Sizes that show that every part works."""
