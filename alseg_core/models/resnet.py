"""ResNet-18 image encoder, its projection head, and public ImageNet weights for it.

Parameter names are those of torchvision's ``resnet18``, so that published weight files load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from alseg_core.errors import ConfigError
from alseg_core.models.weights import UNREADABLE, check_fit

IMAGENET_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
FEATURES = 512
"""Length D of the feature vector h."""
FirstConv = Literal["fresh", "summed"]
"""First convolution if the weights are for another number of channels: the encoder's own, or the sum over theirs."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al., CVPR 2016, Fig. 2)."""

    def __init__(self, inp: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inp != out:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inp, H, W) -> (B, out, ceil(H/stride), ceil(W/stride))."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(y)) + shortcut)
        return out


def _stage(inp: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inp, out, stride), BasicBlock(out, out, 1))


class ResNetEncoder(nn.Module):
    """ResNet-18 without its classifier: images (B, channels, H, W) float -> h (B, 512) after global average pooling."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, FEATURES, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> h (B, 512)."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


class ProjectionHead(nn.Sequential):
    """Linear, ReLU, Linear without biases: h (B, dim) -> z (B, out), where the contrastive losses compare."""

    def __init__(self, dim: int = FEATURES, out: int = 64) -> None:
        super().__init__(nn.Linear(dim, dim, bias=False), nn.ReLU(inplace=True), nn.Linear(dim, out, bias=False))


def load_imagenet(
    encoder: ResNetEncoder, source: str, if_missing: Literal["error", "random"], first_conv: FirstConv = "fresh"
) -> str:
    """Load public weights into ``encoder`` and return a description of those actually used.

    source: "random" leaves the encoder unchanged, "imagenet" downloads torchvision's weights (kept in torch's hub
    folder), anything else is the path of a ``.pth`` file with a ResNet-18 state_dict. The classifier (``fc.*``) is
    dropped.
    first_conv: what to do if the first convolution has another number of channels than the encoder: "fresh" keeps the
    encoder's own, "summed" spreads the sum over the file's channels evenly over the encoder's: a grey image then gives
    what the same image in equal colours gives.
    if_missing: what to do if the weights are unavailable: "error" raises ConfigError, "random" keeps the random ones.
    Returns for example "random", "imagenet (resnet18-f37072fd.pth), fresh 1-channel conv1", "file (mine.pth)" or
    "random (imagenet not reachable: ...)".
    """
    if source == "random":
        return "random"
    public = source == "imagenet"
    wanted, failure = ("imagenet", "not reachable") if public else (f"file {Path(source).name}", "not usable")
    weights_file = IMAGENET_URL.rsplit("/", 1)[1]
    try:
        fitting, first = _fitting(_read(source), encoder, first_conv)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if if_missing == "random":
            return f"random ({wanted} {failure}: {reason})"
        where = IMAGENET_URL if public else source
        raise ConfigError(
            f"ResNet-18 weights wanted from {where}, {failure}: {reason}. Try init: <path of a local "
            f"{weights_file}>, init: random, or if_missing: random to go on without them."
        ) from error
    encoder.load_state_dict(fitting, strict=False)
    used = f"imagenet ({weights_file})" if public else f"file ({Path(source).name})"
    return used + first


def _read(source: str) -> Mapping[str, Tensor]:
    file = Path(source).expanduser()
    if source == "imagenet":
        name = IMAGENET_URL.rsplit("/", 1)[1]
        file = Path(torch.hub.get_dir()) / "checkpoints" / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            prefix = re.search(r"-([0-9a-f]{8,})\.", name)  # torch puts the start of the SHA-256 into the name
            torch.hub.download_url_to_file(IMAGENET_URL, str(file), prefix and prefix[1], progress=False)
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError("it holds no state_dict (parameter name -> tensor)")
    return state


def _fitting(
    state: Mapping[str, Tensor], encoder: ResNetEncoder, first_conv: FirstConv
) -> tuple[dict[str, Tensor], str]:
    """Return the entries of ``state`` that fit the encoder, and a remark on the first convolution if it is another.

    Raises ValueError if it is no ResNet-18.
    """
    own, channels, remark = encoder.state_dict(), encoder.conv1.in_channels, ""
    absent: tuple[str, ...] = ()
    found = {name: value for name, value in state.items() if not name.startswith("fc.")}
    first = found.get("conv1.weight")
    if first is not None and first.ndim == 4 and first.shape[1] != channels:
        if first_conv == "summed":
            found["conv1.weight"] = first.sum(dim=1, keepdim=True).expand(-1, channels, -1, -1) / channels
            remark = f", {channels}-channel conv1 summed over {first.shape[1]}"
        else:
            del found["conv1.weight"]
            absent, remark = ("conv1.weight",), f", fresh {channels}-channel conv1"
    check_fit(found, own, "ResNet-18 state_dict", absent=absent)
    return found, remark
