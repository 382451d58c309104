from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from alseg_core.models.module import SegmentationModule
from alseg_core.models.unet import UNet
from alseg_core.training.dropout import Dropping, Masks

CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_share_p_is_dropped_and_the_mean_stays(p: float, layout: torch.memory_format) -> None:
    x = torch.full((4, 8, 33, 31), 2.0).contiguous(memory_format=layout)
    dropped = Masks(0, CPU).drop(x, p)
    assert dropped.is_contiguous(memory_format=layout) and (x == 2).all()
    zero = dropped == 0
    assert float(zero.float().mean()) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / x.numel()))
    torch.testing.assert_close(dropped[~zero], torch.full_like(dropped[~zero], 2 / (1 - p)), rtol=1e-3, atol=0)
    # every slice and channel has its own
    deviation = math.sqrt(p * (1 - p) / (33 * 31))
    assert (zero.float().mean(dim=(2, 3)) - p).abs().max() < 5 * deviation


def test_neighbours_are_dropped_independently() -> None:
    zero = (Masks(1, CPU).drop(torch.ones(400_000), 0.3) == 0).double() - 0.3
    for lag in (1, 2, 3, 4, 8):  # four draws come from one number
        assert abs(float((zero[lag:] * zero[:-lag]).mean())) < 5 * 0.21 / math.sqrt(400_000)


@pytest.mark.parametrize("p", [0.0, 1e-9, 1 - 1e-9])
def test_extreme_probabilities_are_finite(p: float) -> None:
    assert torch.isfinite(Masks(0, CPU).drop(torch.ones(1000), p)).all()


class Sums(SegmentationModule):
    def __init__(self) -> None:
        super().__init__()
        self.drop, self.none, self.norm = nn.Dropout(0.5), nn.Dropout(0.0), nn.BatchNorm2d(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.none(self.drop(images)))


def test_a_network_drops_by_the_seed_alone_and_is_left_as_it_was() -> None:
    network = Sums().eval()
    dropping = Dropping(network)
    images = torch.ones(2, 1, 8, 8)
    state = torch.get_rng_state()
    with torch.inference_mode():
        first, second = (dropping(images, masks) for masks in [Masks(3, CPU)] * 2)
        again, other = dropping(images, Masks(3, CPU)), dropping(images, Masks(4, CPU))
        assert float(network(images).std()) < 1e-5  # still without dropout
    assert torch.equal(first, again) and not torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())
    assert first.unique().tolist() == pytest.approx([0, 2], rel=1e-4)  # batch norm as in evaluation


def test_the_copy_shares_the_weights() -> None:
    network = UNet(widths=(4, 8), dropouts=(0.1, 0.2)).build(1, 2).eval()
    copy = Dropping(network)._network
    ours, theirs = ({t.data_ptr() for t in [*n.parameters(), *n.buffers()]} for n in (copy, network))
    assert ours == theirs
    assert sum(isinstance(module, nn.Dropout) for module in network.modules()) == 3
    assert not any(isinstance(module, nn.Dropout) for module in copy.modules())
