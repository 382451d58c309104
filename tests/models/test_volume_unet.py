"""The network behind all volumetric components, against MONAI's own passes and sums written from the formula."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import DynUNet as MonaiNet
from torch import Tensor
from torch.nn import functional

from alseg_core.errors import ConfigError
from alseg_core.models import NETWORKS
from alseg_core.models.dynunet import DynUNet
from alseg_core.models.volume_unet import VolumeUNet
from alseg_core.registry import construct
from alseg_core.training import NetworkTrainer
from alseg_core.training.dropout import Dropping, Masks

PLANNED: dict[str, Any] = {"width": 4, "cap": 12, "window": 8, "spacing_mm": (4, 1, 1), "shape": (8, 32, 32)}


def built(name: str = "dynunet", **fields: Any) -> VolumeUNet:
    torch.manual_seed(0)
    spec = {"name": name, **(PLANNED if name.startswith("dyn") else {"widths": [4, 8, 8], "window": 8}), **fields}
    network = NETWORKS.build(spec).build(1, 3)
    assert isinstance(network, VolumeUNet)
    return network.eval()


def as_volume(images: Tensor) -> Tensor:
    return images.movedim(0, 1).unsqueeze(0)


def test_widths_double_up_to_the_cap() -> None:
    net = built().net
    assert list(net.filters) == [4, 8, 12, 12]
    assert [tuple(stride) for stride in net.strides] == [(1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2)]
    assert list(built(width=32, cap=320, levels=12, shape=(32, 512, 512)).net.filters)[:5] == [32, 64, 128, 256, 320]


@pytest.mark.parametrize("name", ["dynunet", "unet3d"])
def test_passes_are_those_of_monai(name: str) -> None:
    network, images = built(name, dropout=0.0), torch.rand(8, 1, 32, 32)
    assert isinstance(network.net, MonaiNet)
    with torch.no_grad():
        assert torch.allclose(network(images), network.net(as_volume(images))[0].movedim(1, 0), atol=1e-6)
        stacked = (
            network.train().net(as_volume(images)) if name == "dynunet" else network.net(as_volume(images))[:, None]
        )
        scales = network.scales(images)
    assert len(scales) == stacked.shape[1] == (2 if name == "dynunet" else 1)
    for (logits,), expected in zip(scales, stacked[0], strict=True):
        assert torch.allclose(logits, expected.movedim(1, 0), atol=1e-6)


def test_deep_supervision_leaves_out_the_two_lowest_resolutions() -> None:
    for levels, scales in ((3, 1), (4, 2), (5, 3)):
        network = built(levels=levels, shape=(8, 128, 128)).train()
        assert len(network.scales(torch.rand(8, 1, 64, 64))) == scales
    assert len(built(deep_supervision=False).train().scales(torch.rand(8, 1, 32, 32))) == 1


@pytest.mark.parametrize("name", ["dynunet_dual", "unet3d_dual"])
def test_two_heads(name: str) -> None:
    network, images = built(name), torch.rand(5, 1, 32, 32)
    with torch.no_grad():
        main, aux = network.heads(images)
        assert torch.equal(main, network(images)) and not torch.allclose(main, aux)
        again = network.heads(images)[1]
        assert torch.equal(aux, again)  # no dropout in evaluation
        network.train()
        torch.manual_seed(1)
        first = network.heads(images)[1]
        torch.manual_seed(2)
        assert not torch.allclose(first, network.heads(images)[1])


def test_windows_of_a_deep_volume_are_averaged_by_their_weights() -> None:
    network, images = built(), torch.rand(21, 1, 16, 16)
    starts = [0, 4, 8, 12, 13]
    weight = [math.exp(-0.5 * ((i - 3.5) / (0.125 * 8)) ** 2) for i in range(8)]
    with torch.no_grad():
        whole = [network(images), *network.pixel_features(images), network.features(images)]
        parts = {s: [network(images[s : s + 8]), *network.pixel_features(images[s : s + 8])] for s in starts}
        for s in starts:
            parts[s].append(network.features(images[s : s + 8]))
    for number, found in enumerate(whole):
        for z in range(21):
            seen = [(weight[z - s], parts[s][number][z - s]) for s in starts if 0 <= z - s < 8]
            expected = sum(w * value for w, value in seen) / sum(w for w, _ in seen)
            assert torch.allclose(found[z], expected, atol=1e-5)


def test_pixel_features_are_the_input_of_the_last_layer() -> None:
    network, images = built(), torch.rand(6, 1, 32, 32)
    layer = network.net.output_block.conv.conv
    with torch.no_grad():
        logits, features = network.pixel_features(images)
        assert features.shape == (6, 4, 32, 32)
        by_hand = torch.einsum("kd,zdhw->zkhw", layer.weight.flatten(1), features) + layer.bias.view(1, -1, 1, 1)
    assert torch.allclose(logits, by_hand, atol=1e-5) and torch.allclose(logits, network(images), atol=1e-6)


def test_features_are_deepest_means_brought_to_the_slices() -> None:
    """Where z is not pooled, each slice has the mean of its plane; where it is halved, values between two centres."""
    seen: list[Tensor] = []
    for poolings, depth in ((0, 5), (1, 6)):
        network = built("unet3d", z_poolings=poolings)
        network.net.bottleneck.register_forward_hook(lambda _, __, output: seen.append(output))
        with torch.no_grad():
            features = network.features(torch.rand(depth, 1, 32, 32)).numpy()
        means = seen.pop()[0].mean(dim=(2, 3)).T.numpy()  # (d, C)
        centres = np.arange(len(means)) * 2**poolings + (2**poolings - 1) / 2
        for channel in range(means.shape[1]):
            expected = np.interp(np.arange(depth), centres, means[:, channel])
            assert np.allclose(features[:, channel], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 9, 13), (3, 40, 40), (8, 33, 50), (5, 4, 4)])
def test_any_size_is_padded_and_cut(shape: tuple[int, int, int]) -> None:
    """Padding repeats edges: the logits are those of a volume that was padded before."""
    network = built()
    depth, rows, columns = shape
    images = torch.rand(depth, 1, rows, columns)
    after = [-depth % 2, -rows % 8, -columns % 8]
    if (depth + after[0], rows + after[1], columns + after[2]) == (2, 8, 8):
        after[2] += 8
    padded = np.pad(images[:, 0].numpy(), [(0, a) for a in after], mode="edge")
    with torch.no_grad():
        found, expected = network(images), network.net(torch.from_numpy(padded)[None, None])
    assert torch.allclose(found, expected[0].movedim(1, 0)[:depth, :, :rows, :columns], atol=1e-6)
    losses = network.train().heads(images)[0].square().mean()
    losses.backward()
    assert losses.isfinite()


def test_dropout_is_of_single_numbers_at_the_two_deepest_levels() -> None:
    network, images = built(dropout=0.25), torch.rand(4, 1, 32, 32)
    assert [drop.p for drop in network.dropouts] == [0.0, 0.0, 0.25, 0.25]
    before, after = [], []
    network.net.bottleneck.register_forward_hook(lambda _, __, output: before.append(output))
    dropping = Dropping(network)
    dropping._dropouts[-1].register_forward_hook(lambda _, __, output: after.append(output))
    with torch.inference_mode():
        first, second = (dropping(images, Masks(seed, torch.device("cpu"))) for seed in (0, 1))
        plain = network(images)
    assert not torch.allclose(first, second) and not torch.allclose(first, plain)
    kept = after[0] != 0
    assert 0.6 < kept.float().mean() < 0.9
    assert torch.allclose(after[0][kept], before[0][kept] / 0.75, rtol=1e-4)
    share = kept[0].float().mean(dim=(1, 2, 3))
    assert share.min() > 0 and share.max() < 1.01 and len(share.unique()) > 2  # within channels


def test_it_cannot_be_built_before_it_is_planned() -> None:
    with pytest.raises(ConfigError, match="planned for data, and spacing_mm or shape is missing"):
        DynUNet().build(1, 3)
    planned = DynUNet(width=4, cap=8).for_volumes((5.0, 1.5, 1.5), (10, 64, 64))
    assert (planned.spacing_mm, planned.shape) == ((5.0, 1.5, 1.5), (10, 64, 64))
    assert planned.for_volumes((1.0, 1.0, 1.0), (99, 99, 99)) == planned  # what is set stays
    with pytest.raises(ConfigError, match="cap 16 must be at least width 32"):
        DynUNet(cap=16)


def test_bytes_on_disk_are_forecast() -> None:
    trainer = construct(NetworkTrainer, {"network": {"name": "dynunet_dual", **PLANNED}, "loss": "dmpls"}, "train")
    file = io.BytesIO()
    torch.save(trainer.network.build(1, 3).state_dict(), file)
    assert 0.8 < trainer.state_bytes(1, 3) / len(file.getvalue()) <= 1


def test_constant_volumes_give_no_nan() -> None:
    for depth in (1, 3):
        logits = built().train().heads(torch.zeros(depth, 1, 8, 8))[0]
        loss = functional.cross_entropy(logits, torch.zeros(depth, 8, 8, dtype=torch.long))
        assert loss.isfinite()
