"""U-Net with a ResNet-50 encoder: it equals torchvision's ResNet-50, and messages for other files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from alseg_core.errors import ConfigError
from alseg_core.models import NETWORKS
from alseg_core.models.unet_resnet import UNetResNet50

torch.set_num_threads(1)
DEPTHS = {1: 3, 2: 4, 3: 6, 4: 3}


def published(blocks: dict[int, int] = DEPTHS) -> dict[str, Tensor]:
    """A state_dict in torchvision's names, written out here, without num_batches_tracked."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})

    norm("bn1", 64)
    before = 64
    for stage, count in blocks.items():
        width = 32 * 2**stage
        for block in range(count):
            at = f"layer{stage}.{block}"
            for number, kernel in enumerate([(width, before, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)], 1):
                shapes[f"{at}.conv{number}.weight"] = kernel
                norm(f"{at}.bn{number}", kernel[0])
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (4 * width, before, 1, 1)
                norm(f"{at}.downsample.1", 4 * width)
            before = 4 * width
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        spread = torch.rand(shape, generator=generator)
        fan = shape[1] * shape[2] * shape[3] if len(shape) == 4 else 1
        state[name] = (spread - 0.5) * (12 / fan) ** 0.5 if len(shape) == 4 else spread + 0.5
    return state


def reference_h(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """ResNet-50 in evaluation mode, written with functional calls on the named weights."""

    def conv(x: Tensor, conv: str, norm: str, stride: int = 1) -> Tensor:
        weight = state[f"{conv}.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"])

    x = F.max_pool2d(F.relu(conv(images, "conv1", "bn1", 2)), 3, stride=2, padding=1)
    for stage, count in DEPTHS.items():
        for block in range(count):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = F.relu(conv(x, f"{at}.conv1", f"{at}.bn1"))
            y = F.relu(conv(y, f"{at}.conv2", f"{at}.bn2", stride))
            y = conv(y, f"{at}.conv3", f"{at}.bn3")
            shortcut = conv(x, f"{at}.downsample.0", f"{at}.downsample.1", stride) if block == 0 else x
            x = F.relu(shortcut + y)
    return x.mean(dim=(2, 3))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published state_dict on disk, with a classifier."""
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save({**published(), "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, path)
    return path


def built(path: Path, channels: int) -> torch.nn.Module:
    return NETWORKS.build({"name": "unet_resnet50", "weights": str(path)}).build(channels, 4).eval()


def test_encoder_is_resnet50_with_the_files_weights(file: Path) -> None:
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, reference = built(file, 3).features(images), reference_h(published(), images)
    assert ours.shape == (2, 2048) and reference.std() > 0.01
    torch.testing.assert_close(ours, reference, rtol=1e-3, atol=1e-3 * float(reference.abs().max()))


def test_one_channel_answers_as_three_equal_ones(file: Path) -> None:
    grey = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            built(file, 1).features(grey), built(file, 3).features(grey.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-3
        )


def test_logits_come_from_the_pixel_features_and_dropout_is_there() -> None:
    torch.manual_seed(0)
    network = UNetResNet50().build(1, 4).eval()
    images = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        logits, features = network.pixel_features(images)
        assert logits.shape == (1, 4, 64, 96) and features.shape == (1, 16, 64, 96)
        assert torch.equal(network(images), logits) and torch.equal(network.out(features), logits)
        assert torch.equal(network.heads(images)[0], logits)
        network.dropout.train()
        assert not torch.equal(network(images), logits)


def lightning(state: dict[str, Tensor]) -> object:
    return {"epoch": 3, "state_dict": {f"module.backbone.{name}": value for name, value in state.items()}}


def whole_unet(state: dict[str, Tensor]) -> object:
    return {**{f"encoder.{name}": value for name, value in state.items()}, "decoder.conv1.weight": torch.zeros(3)}


@pytest.mark.parametrize("wrap", [lightning, whole_unet])
def test_prefixes_and_wrappings_are_taken_off(wrap, tmp_path: Path) -> None:
    torch.save(wrap(published()), tmp_path / "wrapped.pth")
    own = built(tmp_path / "wrapped.pth", 3).encoder.state_dict()
    assert all(torch.equal(own[name], value) for name, value in published().items())


def missing(folder: Path) -> str:
    return "No such file"


def garbage(folder: Path) -> str:
    (folder / "w.pth").write_bytes(b"no weights")
    return ""


def code(folder: Path) -> str:
    torch.save(torch.nn.Linear(1, 1), folder / "w.pth")
    return "weights_only"


def nothing(folder: Path) -> str:
    torch.save({"fc.weight": torch.zeros(3)}, folder / "w.pth")
    return "no state_dict of a ResNet"


def deeper(folder: Path) -> str:
    torch.save(published({**DEPTHS, 3: 7}), folder / "w.pth")
    return "no ResNet-50: layer3.6.conv1.weight is unknown"


def shallower(folder: Path) -> str:
    torch.save(published({**DEPTHS, 3: 5}), folder / "w.pth")
    return "no ResNet-50: layer3.5.conv1.weight is missing"


def several(folder: Path) -> str:
    torch.save({f"{p}.{n}": v for p in ("encoder_q", "encoder_k") for n, v in published().items()}, folder / "w.pth")
    return "several ResNets, under 'encoder_k.', 'encoder_q.'"


@pytest.mark.parametrize("case", [missing, garbage, code, nothing, deeper, shallower, several])
def test_unusable_files(case, tmp_path: Path) -> None:
    part = case(tmp_path)
    with pytest.raises(ConfigError) as caught:
        UNetResNet50(weights=str(tmp_path / "w.pth")).start()
    message = str(caught.value)
    assert str(tmp_path / "w.pth") in message and "--set train.mask.network.weights=FILE" in message and part in message


def test_a_file_still_to_be_given() -> None:
    with pytest.raises(ConfigError, match="initial weights is missing.*--set train.mask.network.weights=FILE"):
        UNetResNet50(weights="")


def test_start_tells_one_file_from_another(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNetResNet50().start() == "random"
    state = published()
    state["bn1.bias"] += 1
    torch.save(state, tmp_path / "resnet50.pth")
    monkeypatch.chdir(tmp_path)
    other = UNetResNet50(weights="resnet50.pth")
    assert other.weights == str(tmp_path / "resnet50.pth")
    starts = [other.start(), UNetResNet50(weights=str(file)).start()]
    assert all(start.startswith("file (resnet50.pth, sha256 ") for start in starts) and len(set(starts)) == 2
