"""Dice of networks that are trained, and that predict, in half precision."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from alseg_core import seeding
from alseg_core.device.precision import Precision
from alseg_core.device.repeatable import repeatable
from alseg_core.training.inference import chunk_size
from alseg_core.validation import Validation
from gpu_check.answer import Answer, Target
from gpu_check.parts.training import split
from gpu_check.setting import Setting

TOLERANCE = 0.005
"""Largest difference in Dice between predictions of one network in half and in full precision."""
LEARNED = 0.1
"""Least Dice of a network whose Dice is judged: one that predicts nothing is as good in any arithmetic."""
OTHER = 0.001
"""Largest share of pixels that half precision labels otherwise than float32; there is foreground in a few percent."""
MOVED = 0.002
"""Largest mean over pixels of the probability that half precision gives to other classes than float32: it is not 0 for
a network that labels everything as background, either."""
FLOAT32, FLOAT16, BFLOAT16 = torch.float32, torch.float16, torch.bfloat16


class Computing(nn.Module):
    """A network that predicts in a given arithmetic, whatever the context around it asks for."""

    window = None

    def __init__(self, network: nn.Module, arithmetic: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.arithmetic = arithmetic

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K, H, W)."""
        half = self.arithmetic is not FLOAT32
        dtype = self.arithmetic if half else BFLOAT16
        with torch.autocast(images.device.type, dtype, enabled=half, cache_enabled=False):  # not weights cast outside
            logits: Tensor = self.network(images)
        return logits


def answers(setting: Setting) -> Iterator[Answer]:
    """Train in float32 and in bfloat16 from the same start, and predict with the former in three arithmetics."""
    data = setting.volumes()
    train, validation = split(setting, data, marked=False)
    steps = setting.scale.learning
    size = f"{train.images.shape[-1]}^2, {steps} steps"
    networks: dict[str, nn.Module] = {}
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions:
        trainer = setting.trainer(marked=False, precision=precision)
        with setting.peak() as peak:
            member = trainer.fit(train, data.classes, steps, 0, None, seeding.stream(0, "gpu-check"), lambda _: None)
            memory = peak()
        assert isinstance(member.network, nn.Module)
        networks[precision] = member.network
        with repeatable():
            dice = validation(Computing(member.network, FLOAT32))
        note = "predicts in float32; another rounding is another training, so it is not judged"
        yield Answer(f"Dice, trained in {precision}", size, dice, "dice", memory=memory, note=note)
    for arithmetic in (FLOAT16, BFLOAT16):
        yield from compared(networks["float32"], validation, arithmetic, size)


def compared(network: nn.Module, validation: Validation, arithmetic: torch.dtype, size: str) -> Iterator[Answer]:
    """Compare predictions of one network in ``arithmetic`` with those in float32: their Dice, and pixel by pixel.

    size: what the rows say they were measured on.
    """
    exact, rounded = Computing(network, FLOAT32), Computing(network, arithmetic)
    name = str(arithmetic).removeprefix("torch.")
    other = apart = 0.0
    with repeatable():  # no TF32
        dice = validation(exact)
        for whole, half in zip(_logits(exact, validation.images), _logits(rounded, validation.images), strict=True):
            other += float((whole.max(dim=1).indices != half.max(dim=1).indices).sum())
            apart += float((whole.softmax(dim=1) - half.softmax(dim=1)).abs().sum()) / 2
    learned, pixels = dice >= LEARNED, validation.images[:, 0].numel()
    yield Answer(
        f"Dice, {name} against float32 predictions",
        size,
        abs(validation(rounded) - dice),
        "dice",
        target=Target(TOLERANCE, speed=False) if learned else None,
        note="" if learned else f"not judged, as the network has learned nothing: its Dice is {dice:.2f}",
    )
    yield Answer(
        f"pixels of other label, {name} and float32", size, other / pixels, "share", target=Target(OTHER, speed=False)
    )
    what = f"probability that moves, {name} and float32"
    yield Answer(what, size, apart / pixels, "share", target=Target(MOVED, speed=False))


@torch.inference_mode()
def _logits(network: Computing, images: Tensor) -> Iterator[Tensor]:
    """Yield the logits (b, K, H, W) float32 of images (N, C, H, W), chunk by chunk."""
    device = next(network.parameters()).device
    for chunk in images.split(chunk_size((images.shape[2], images.shape[3]), device)):
        yield network(chunk.to(device)).float()
