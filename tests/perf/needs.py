"""Bytes and operations that a training step needs at least."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from alseg_core.models import Network
from alseg_core.models.resnet import ResNetEncoder
from alseg_core.models.unet import UNet
from alseg_core.models.volume_unet import VolumeUNet


def of_slices(network: UNet, batch: int, classes: int, size: int, itemsize: int) -> tuple[float, float]:
    """Return bytes and operations of one step of ``batch`` slices.

    Every convolution reads its input and writes its output once in each of forward, gradient of the input and gradient
    of the weights; everything else counts as fused into them.
    """
    with torch.device("meta"):
        module = network.build(1, classes)
        images = torch.empty(batch, 1, size, size)
    moved = 0

    def count(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal moved
        moved += inputs[0].numel() + output.numel()

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter:
        torch.stack([output.sum() for output in module.heads(images)]).sum().backward()
    return 3.0 * moved * itemsize, float(counter.get_total_flops())


def of_volumes(network: Network, batch: int, classes: int, window: int, size: int) -> float:
    """Return the operations of the convolutions of one step of ``batch`` volumes."""
    with torch.device("meta"):
        module = network.build(1, classes).train()
        images = torch.empty(window, 1, size, size)
    assert isinstance(module, VolumeUNet)
    with FlopCounterMode(display=False) as counter:
        torch.stack([output.sum() for heads in module.scales(images) for output in heads]).sum().backward()
    return float(batch * counter.get_total_flops())


def of_views(batch: int, size: int) -> float:
    """Return the operations of one step of the encoder on two views of ``batch`` slices."""
    with torch.device("meta"):
        network = ResNetEncoder(1)
        images = torch.empty(2 * batch, 1, size, size)
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return float(counter.get_total_flops())
