from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from alseg_core.models import NETWORKS, SegmentationModule
from alseg_core.models.folding import folded


def experienced(network: nn.Module) -> nn.Module:
    """With batch norms as after a training: nothing in them is 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)
    return network


SMALL = {"unet": {"widths": [4, 8], "dropouts": [0.1, 0.2]}, "unet_dual": {"widths": [4, 8], "dropouts": [0.1, 0.2]}}


@pytest.mark.parametrize(("name", "norms"), [("unet", 6), ("unet_dual", 6), ("unet_resnet50", 63), ("unet3d", 0)])
def test_networks_say_the_same_without_their_batch_norms(name: str, norms: int) -> None:
    torch.manual_seed(0)
    network = NETWORKS.build({"name": name, **SMALL.get(name, {})}).build(1, 3).placed("cpu")
    experienced(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    light = folded(network)
    assert sum(isinstance(module, nn.Identity) for module in light.modules()) >= norms
    assert network.training and not any(module.training for module in light.modules())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    network.eval()
    images = torch.rand(2, 1, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        expected, found = network(images), light(images)
        scale = float(expected.abs().max())
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * scale)
        if name != "unet3d":
            for a, b in zip(light.pixel_features(images), network.pixel_features(images), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))
            torch.testing.assert_close(light.features(images), network.features(images), rtol=1e-3, atol=1e-3)


class Twisted(SegmentationModule):
    """One batch norm to fold, and three after what is read twice, what is called twice and what is no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.read_twice, self.called_twice, self.apart = (nn.Conv2d(1, 1, 1) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(1) for _ in range(3))
        self.fits, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

    def forward(self, images: Tensor) -> Tensor:
        x = self.read_twice(images)
        x = self.norms[0](x) + x
        x = self.norms[1](self.called_twice(self.called_twice(x)))
        x = self.norms[2](torch.relu(self.apart(x)))
        return self.norm(self.fits(x))


def test_only_what_may_be_folded_is() -> None:
    torch.manual_seed(0)
    network = experienced(Twisted()).eval()
    light = folded(network)
    assert isinstance(light.norm, nn.Identity)
    assert [type(norm) for norm in light.norms] == [nn.BatchNorm2d] * 3
    images = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(light(images), network(images))


class Choosy(Twisted):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if images.mean() > 0 else -images)


def test_what_cannot_be_traced_is_copied() -> None:
    network = experienced(Choosy()).eval()
    light = folded(network)
    assert isinstance(light.norm, nn.BatchNorm2d) and light.norm is not network.norm
    images = torch.randn(2, 1, 4, 4)
    assert torch.equal(light(images), network(images))
