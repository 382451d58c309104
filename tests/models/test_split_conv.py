"""Tests of convolutions of single volumes as a batch of two halves."""

import pytest
import torch
from torch import nn

from alseg_core.models.split_conv import SplitConv3d, split_convolutions


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (3, 1, 1)])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("rows", [2, 5, 8, 9])
def test_halves_give_what_the_whole_gives(kernel, stride, rows):
    """Outputs and all gradients equal those of nn.Conv3d, for odd and even numbers of rows."""
    padding = tuple(size // 2 for size in kernel)
    torch.manual_seed(0)
    whole = nn.Conv3d(2, 3, kernel, stride, padding)
    net = nn.Sequential(nn.Conv3d(2, 3, kernel, stride, padding))
    net[0].load_state_dict(whole.state_dict())
    split_convolutions(net)
    assert type(net[0]) is SplitConv3d and net[0]._slow(torch.zeros(1, 2, 4, rows, 6))
    found = []
    for module in (whole, net[0]):
        volume = torch.linspace(-1, 1, 2 * 4 * rows * 6).reshape(1, 2, 4, rows, 6).sin().requires_grad_()
        out = module(volume)
        out.square().sum().backward()
        found.append((out, volume.grad, *(parameter.grad for parameter in module.parameters())))
    for expected, one in zip(*found, strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-5)


def test_other_convolutions_stay():
    """Padding by reflection or by name, and batches, are left to PyTorch."""
    net = nn.Sequential(nn.Conv3d(1, 1, 3, padding=1, padding_mode="reflect"), nn.Conv3d(1, 1, 3, padding="same"))
    split_convolutions(net)
    assert [type(module) for module in net] == [nn.Conv3d, nn.Conv3d]
    assert not SplitConv3d(2, 3, 3)._slow(torch.zeros(2, 2, 4, 4, 4))
