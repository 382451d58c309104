"""Dice of networks that are trained, and that predict, in half precision."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from alseg_core import seeding
from alseg_core.device.precision import Precision
from alseg_core.device.repeatable import repeatable
from gpu_check.answer import Answer, Target
from gpu_check.parts.training import split
from gpu_check.setting import Setting

TOLERANCE = 0.005
"""Largest difference in Dice between predictions of one network in half and in full precision."""
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
    with repeatable():  # no TF32
        exact = validation(Computing(networks["float32"], FLOAT32))
    for arithmetic in (FLOAT16, BFLOAT16):
        apart = abs(validation(Computing(networks["float32"], arithmetic)) - exact)
        name = str(arithmetic).removeprefix("torch.")
        target = Target(TOLERANCE, speed=False)
        yield Answer(f"Dice, {name} against float32 predictions", size, apart, "dice", target=target)
