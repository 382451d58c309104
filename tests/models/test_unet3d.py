from __future__ import annotations

import pytest
import torch

from alseg_core.errors import ConfigError
from alseg_core.models import NETWORKS
from alseg_core.models.unet3d import UNet3D


def small(**fields: object) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = {"name": "unet3d", "widths": [4, 8, 8], "window": 8, **fields}
    return NETWORKS.build(spec).build(1, 3).eval()


@pytest.mark.parametrize("depth", [1, 2, 5, 8, 9, 21])
@pytest.mark.parametrize("z_poolings", [0, 2])
def test_any_depth_comes_back(depth: int, z_poolings: int) -> None:
    network = small(z_poolings=z_poolings)
    with torch.no_grad():
        logits = network(torch.rand(depth, 1, 16, 24))
    assert logits.shape == (depth, 3, 16, 24) and logits.isfinite().all()


def test_slices_see_their_neighbours_and_keep_their_order() -> None:
    network, volume = small(), torch.rand(6, 1, 16, 16)
    changed = volume.clone()
    changed[3] += 1
    with torch.no_grad():
        before, after = network(volume), network(changed)
        stacked = network.net(torch.stack(list(volume[:, 0])).view(1, 1, 6, 16, 16))
    assert (after - before).abs().amax(dim=(1, 2, 3)).min() > 0
    for z in range(6):
        assert torch.equal(before[z], stacked[0, :, z])


def test_a_deep_volume_is_covered_by_windows() -> None:
    """A volume of one slice repeated: away from its ends every window answers alike."""
    network = small()
    volume = torch.rand(1, 1, 16, 16).expand(20, -1, -1, -1)
    with torch.no_grad():
        window, whole = network(volume[:8]), network(volume)
    assert torch.allclose(whole[:4], window[:4], atol=1e-4) and torch.allclose(whole[-4:], window[-4:], atol=1e-4)
    assert network.window == 8
    with torch.no_grad():  # in training a part of a volume is one pass
        assert network.train()(volume).shape == (20, 3, 16, 16)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (4, 8, 8), "z_poolings": 3}, "3 levels have 2 poolings"),
        ({"window": 5}, "multiple of 2"),
    ],
)
def test_what_does_not_fit(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UNet3D(**fields)  # type: ignore[arg-type]
