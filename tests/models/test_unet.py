from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.models import NETWORKS


def conv(inside: int, outside: int, kernel: int) -> int:
    return inside * outside * kernel * kernel + outside


def expected_parameters(channels: int, classes: int, decoders: int) -> int:
    """Counted from the published description: conv-BN blocks, 1x1 convolutions before upsampling, 3x3 output.

    The biases that the published blocks have before batch norm are left out.
    """

    def block(i: int, o: int) -> int:
        return conv(i, o, 3) - o + 2 * o + conv(o, o, 3) - o + 2 * o

    widths = [16, 32, 64, 128, 256]
    encoder = sum(block(i, o) for i, o in zip([channels, *widths], widths, strict=False))
    steps = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
    decoder = sum(conv(coarse, fine, 1) + block(2 * fine, fine) for coarse, fine in steps) + conv(16, classes, 3)
    return encoder + decoders * decoder


@pytest.mark.parametrize(("name", "decoders"), [("unet", 1), ("unet_dual", 2)])
def test_size_is_the_published_one(name: str, decoders: int) -> None:
    network = NETWORKS.build(name).build(1, 4)
    assert sum(p.numel() for p in network.parameters()) == expected_parameters(1, 4, decoders)


def interpolated(image: np.ndarray) -> np.ndarray:
    """Twice the rows and columns; corners stay corners, and pixels between are weighed by their distance."""
    rows, columns = image.shape
    y = np.arange(2 * rows) * (rows - 1) / (2 * rows - 1)
    x = np.arange(2 * columns) * (columns - 1) / (2 * columns - 1)
    between = [np.interp(x, np.arange(columns), row) for row in image]
    return np.array([np.interp(y, np.arange(rows), column) for column in np.transpose(between)]).T


def test_upsampling_mixes_channels_and_then_interpolates_between_aligned_corners() -> None:
    torch.manual_seed(0)
    network = NETWORKS.build({"name": "unet", "widths": [2, 3], "dropouts": [0, 0]}).build(1, 2).eval()
    up = network.decoder.ups[0]
    coarse = torch.randn(1, 3, 4, 5)
    weight, bias = (p.detach().numpy() for p in (up[0].weight, up[0].bias))
    mixed = np.einsum("oi,iyx->oyx", weight[:, :, 0, 0], coarse[0].numpy()) + bias[:, None, None]
    expected = np.stack([interpolated(channel) for channel in mixed])
    assert np.allclose(up(coarse)[0].detach().numpy(), expected, atol=1e-6)


def test_transposed_convolutions_are_a_choice() -> None:
    network = NETWORKS.build({"name": "unet", "upsample": "transposed"}).build(1, 2)
    kinds = {type(up) for up in network.decoder.ups}
    assert kinds == {torch.nn.ConvTranspose2d}
    assert network(torch.rand(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_a_bias_before_batch_norm_would_change_nothing() -> None:
    torch.manual_seed(0)
    block = NETWORKS.build({"name": "unet", "widths": [4, 8], "dropouts": [0, 0]}).build(1, 2).encoder.blocks[0].train()
    images = torch.rand(3, 1, 8, 8)
    expected = block(images)
    for convolution in (block[0], block[4]):
        convolution.bias = torch.nn.Parameter(torch.randn(4))
    out = block(images)
    assert torch.allclose(out, expected, atol=1e-5)
    out.square().sum().backward()
    for convolution in (block[0], block[4]):
        assert convolution.bias.grad.abs().max() < 1e-4 < convolution.weight.grad.abs().max()


def test_heads_and_shapes() -> None:
    network = NETWORKS.build("unet_dual").build(3, 2).eval()
    images = torch.rand(2, 3, 32, 48)
    main, aux = network.heads(images)
    assert main.shape == aux.shape == (2, 2, 32, 48)
    assert torch.equal(network(images), main)
    assert network.features(images).shape == (2, 256)
    assert len(NETWORKS.build("unet").build(3, 2).heads(images)) == 1


def test_auxiliary_decoder_sees_dropped_features_only_while_training() -> None:
    torch.manual_seed(0)
    network = NETWORKS.build({"name": "unet_dual", "dropouts": [0, 0, 0, 0, 0]}).build(1, 2)
    images = torch.rand(2, 1, 32, 32)
    network.train()
    first, second = network.heads(images), network.heads(images)
    assert torch.allclose(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    network.eval()
    assert torch.equal(network.heads(images)[1], network.heads(images)[1])
