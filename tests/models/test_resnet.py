"""ResNet-18: parameter names and shapes of the published weight files, and messages if they are unavailable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from alseg_core.errors import ConfigError
from alseg_core.models import resnet
from alseg_core.models.resnet import ProjectionHead, ResNetEncoder, load_imagenet

torch.set_num_threads(1)


def published(channels: int = 3, scale: float = 0.01) -> dict[str, Tensor]:
    """A state_dict as torchvision publishes it: names written out here, classifier included, no num_batches_tracked."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, channels, 7, 7)}

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})

    norm("bn1", 64)
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            at = f"layer{stage}.{block}"
            shapes[f"{at}.conv1.weight"] = (width, before, 3, 3)
            norm(f"{at}.bn1", width)
            shapes[f"{at}.conv2.weight"] = (width, width, 3, 3)
            norm(f"{at}.bn2", width)
            if block == 0 and stage > 1:
                shapes[f"{at}.downsample.0.weight"] = (width, before, 1, 1)
                norm(f"{at}.downsample.1", width)
            before = width
    shapes.update({"fc.weight": (1000, 512), "fc.bias": (1000,)})
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) * scale for name, shape in shapes.items()}


def reference_h(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """ResNet-18 in evaluation mode, written with functional calls on the named weights."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])

    x = F.relu(norm(F.conv2d(images, state["conv1.weight"], stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = F.relu(norm(F.conv2d(x, state[f"{at}.conv1.weight"], stride=stride, padding=1), f"{at}.bn1"))
            y = norm(F.conv2d(y, state[f"{at}.conv2.weight"], padding=1), f"{at}.bn2")
            if f"{at}.downsample.0.weight" in state:
                x = norm(F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
            x = F.relu(x + y)
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


def test_names_and_shapes_are_torchvisions() -> None:
    own = {name: tuple(value.shape) for name, value in ResNetEncoder(3).state_dict().items()}
    assert own["layer4.1.conv2.weight"] == (512, 512, 3, 3)
    assert own["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert own["layer3.0.downsample.1.running_var"] == (256,)
    wanted = {name: tuple(value.shape) for name, value in published().items() if not name.startswith("fc.")}
    assert {name: shape for name, shape in own.items() if not name.endswith("num_batches_tracked")} == wanted
    assert sum(p.numel() for p in ResNetEncoder(3).parameters()) == 11_176_512


def test_forward_is_resnet18() -> None:
    encoder = ResNetEncoder(3).eval()
    generator = torch.Generator().manual_seed(1)
    for name, value in encoder.state_dict().items():
        if "bn" in name or "downsample.1" in name:  # initial batch norms are identities and would hide a wrong order
            value.copy_(torch.rand(value.shape, generator=generator).add(0.5).to(value.dtype))
    images = torch.randn(2, 3, 50, 64, generator=generator)
    with torch.no_grad():
        h = encoder(images)
        torch.testing.assert_close(h, reference_h(encoder.state_dict(), images), rtol=1e-4, atol=1e-4)
    assert h.shape == (2, 512) and h.std() > 0.01


def test_projection_head_has_no_biases() -> None:
    head = ProjectionHead()
    assert [tuple(p.shape) for p in head.parameters()] == [(512, 512), (64, 512)]
    h = torch.randn(3, 512)
    first, second = head.parameters()
    torch.testing.assert_close(head(h), (h @ first.T).clamp_min(0) @ second.T)


@pytest.mark.parametrize(
    ("channels", "used"), [(3, "file (weights.pth)"), (1, "file (weights.pth), fresh 1-channel conv1")]
)
def test_local_file(tmp_path: Path, channels: int, used: str) -> None:
    state = published()
    torch.save(state, tmp_path / "weights.pth")
    encoder = ResNetEncoder(channels)
    fresh = encoder.conv1.weight.detach().clone()
    assert load_imagenet(encoder, str(tmp_path / "weights.pth"), "error") == used
    own = encoder.state_dict()
    for name, value in state.items():
        if name != "conv1.weight" and not name.startswith("fc."):
            assert torch.equal(own[name], value), name
    assert torch.equal(own["conv1.weight"], state["conv1.weight"] if channels == 3 else fresh)


def test_a_summed_first_convolution_sees_grey_as_equal_colours(tmp_path: Path) -> None:
    torch.save(published(), tmp_path / "weights.pth")
    colour, grey, pair = ResNetEncoder(3).eval(), ResNetEncoder(1).eval(), ResNetEncoder(2).eval()
    load_imagenet(colour, str(tmp_path / "weights.pth"), "error", "summed")
    used = load_imagenet(grey, str(tmp_path / "weights.pth"), "error", "summed")
    assert used == "file (weights.pth), 1-channel conv1 summed over 3"
    load_imagenet(pair, str(tmp_path / "weights.pth"), "error", "summed")
    weight = published()["conv1.weight"]
    assert torch.equal(colour.conv1.weight, weight), "colour images keep the published weights"
    by_hand = weight[:, 0] + weight[:, 1] + weight[:, 2]
    torch.testing.assert_close(grey.conv1.weight[:, 0].detach(), by_hand)
    images = torch.randn(2, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        truth = colour.conv1(images.repeat(1, 3, 1, 1))
        for encoder, channels in ((grey, 1), (pair, 2)):
            torch.testing.assert_close(encoder.conv1(images.repeat(1, channels, 1, 1)), truth, rtol=1e-4, atol=1e-5)


def test_usual_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    torch.save(published(), tmp_path / "weights.pth")
    content = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    served = (tmp_path / "weights.pth").rename(tmp_path / f"resnet18-{content[:8]}.pth")
    monkeypatch.setattr(resnet, "IMAGENET_URL", served.as_uri())
    encoder = ResNetEncoder(3)
    assert load_imagenet(encoder, "imagenet", "error") == f"imagenet ({served.name})"
    assert torch.equal(encoder.conv1.weight, published()["conv1.weight"])


def test_download_with_a_wrong_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    torch.save(published(), tmp_path / "resnet18-01234567.pth")
    monkeypatch.setattr(resnet, "IMAGENET_URL", (tmp_path / "resnet18-01234567.pth").as_uri())
    with pytest.raises(ConfigError, match="hash"):
        load_imagenet(ResNetEncoder(3), "imagenet", "error")


def test_random_leaves_the_encoder_alone() -> None:
    encoder = ResNetEncoder(1)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert load_imagenet(encoder, "random", "error") == "random"
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def missing_file(folder: Path) -> str:
    return str(folder / "none.pth")


def garbage(folder: Path) -> str:
    (folder / "garbage.pth").write_bytes(b"not a weight file")
    return str(folder / "garbage.pth")


def text(folder: Path) -> str:
    (folder / "text.pth").write_text("root:x:0:0:root:/root:/bin/bash\n")  # unpickles to an IndexError
    return str(folder / "text.pth")


def truncated(folder: Path) -> str:
    torch.save(published(), folder / "whole.pth")
    (folder / "cut.pth").write_bytes((folder / "whole.pth").read_bytes()[:100_000])
    return str(folder / "cut.pth")


def other_network(folder: Path) -> str:
    state = published()
    state["layer1.2.conv1.weight"] = torch.zeros(64, 64, 3, 3)
    torch.save(state, folder / "resnet34.pth")
    return str(folder / "resnet34.pth")


def no_state_dict(folder: Path) -> str:
    torch.save([1, 2], folder / "list.pth")
    return str(folder / "list.pth")


@pytest.mark.parametrize("source", [missing_file, garbage, text, truncated, other_network, no_state_dict])
def test_unusable_weights(tmp_path: Path, source) -> None:
    path = source(tmp_path)
    encoder = ResNetEncoder(3)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        load_imagenet(encoder, path, "error")
    message = str(caught.value)
    assert path in message and "init: random" in message and "if_missing: random" in message and "\n" not in message
    assert load_imagenet(encoder, path, "random").startswith(f"random (file {Path(path).name} not usable: ")
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_unreachable_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(resnet, "IMAGENET_URL", (tmp_path / "absent" / "resnet18-f37072fd.pth").as_uri())
    with pytest.raises(
        ConfigError, match="not reachable.*local resnet18-f37072fd.pth.*init: random.*if_missing: random"
    ):
        load_imagenet(ResNetEncoder(1), "imagenet", "error")
    assert load_imagenet(ResNetEncoder(1), "imagenet", "random").startswith("random (imagenet not reachable: ")
