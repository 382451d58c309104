"""Every registered network passes the conformance suite, and each check finds a planted fault."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from alseg_core.models import NETWORKS, Network, SegmentationModule
from alseg_core.models.conformance import CHECKS, Check, check

PLANNED = {"width": 4, "cap": 8, "window": 4, "levels": 4, "spacing_mm": [4, 1, 1], "shape": [4, 16, 16]}
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"widths": [4, 8], "dropouts": [0.1, 0.2]},
    "unet_dual": {"widths": [4, 8, 8], "dropouts": [0.1, 0.1, 0.2]},
    "unet3d": {"widths": [4, 8, 8], "window": 4},
    "unet3d_dual": {"widths": [4, 8, 8], "window": 4},
    "dynunet": PLANNED,
    "dynunet_dual": PLANNED,
}
"""Settings that make the networks small."""


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_conforms(name: str, one: Check) -> None:
    one(NETWORKS.build({"name": name, **SMALL.get(name, {})}))


class Plain(SegmentationModule):
    """Two convolutions."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.out = nn.Conv2d(4, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.out(self.inside(images))
        return logits


class Right:
    """Builds :class:`Plain`; the faults below change one thing."""

    heads: ClassVar[int] = 1
    volumetric: ClassVar[bool] = False
    divisor = 4
    module: type[SegmentationModule] = Plain

    def start(self) -> str:
        return "random"

    def build(self, channels: int, classes: int) -> Any:
        return self.module(channels, classes)


def fault(**members: Any) -> type[Plain]:
    """A network with some members of :class:`Plain` replaced."""
    return type("Faulty", (Plain,), members)


def forward(change: Any) -> type[Plain]:
    return fault(forward=lambda self, images: change(self, images, Plain.forward(self, images)))


class NoModule(Right):
    def build(self, channels: int, classes: int) -> Any:
        return nn.Conv2d(channels, classes, 1)


class HalfSize(Right):
    module = forward(lambda self, images, logits: logits[..., ::2, ::2])


class Half(Right):
    module = forward(lambda self, images, logits: logits.half())


class Infinite(Right):
    module = forward(lambda self, images, logits: logits / 0)


class GreyOnly(Right):
    def build(self, channels: int, classes: int) -> Any:
        return Plain(1, classes)


class NeedsMore(Right):
    """Needs multiples of 8 and declares 4."""

    module = forward(
        lambda self, images, logits: logits * images.unfold(2, 8, 8).reshape(len(images), 1, *images.shape[2:]).mean()
    )


class SquareOnly(Right):
    module = forward(lambda self, images, logits: logits + logits.transpose(2, 3))


class TwoHeads(Right):
    heads: ClassVar[int] = 2


class OtherHead(Right):
    module = fault(heads=lambda self, images: (self(images) + 1,))


class OtherScale(Right):
    module = fault(scales=lambda self, images: (self.heads(images), (self(images)[..., ::2],)))


class FirstScaleDiffers(Right):
    module = fault(scales=lambda self, images: ((self(images) + 1,),))


class Unused(Right):
    class module(Plain):
        def __init__(self, channels: int, classes: int) -> None:
            super().__init__(channels, classes)
            self.aside = nn.Linear(2, 2)


class Dead(Right):
    module = forward(lambda self, images, logits: logits * 0)


class DropsInEvaluation(Right):
    module = forward(lambda self, images, logits: nn.functional.dropout(logits, 0.5, training=True))


class BatchStatistics(Right):
    module = forward(lambda self, images, logits: logits - logits.mean(dim=0))


class Undeclared3D(Right):
    module = fault(window=4)


class Stack(Plain):
    """Volumetric, with features of the first four slices of a volume alone."""

    window = 4

    def features(self, images: Tensor) -> Tensor:
        return self.inside(images)[:4].mean(dim=(2, 3))

    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self(images), self.inside(images)


class ShallowFeatures(Right):
    volumetric: ClassVar[bool] = True
    module = Stack


class DropsChannels(Right):
    class module(Plain):
        def __init__(self, channels: int, classes: int) -> None:
            super().__init__(channels, classes)
            self.inside.append(nn.Dropout2d(0.5))


class FixedSeed(Right):
    def build(self, channels: int, classes: int) -> Any:
        torch.manual_seed(0)
        return Plain(channels, classes)


class NoSeed(Right):
    count = 0

    def build(self, channels: int, classes: int) -> Any:
        NoSeed.count += 1
        torch.manual_seed(NoSeed.count)
        return Plain(channels, classes)


class KeptAside(Right):
    class module(Plain):
        def __init__(self, channels: int, classes: int) -> None:
            super().__init__(channels, classes)
            self.shift = torch.rand(1)

        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) + self.shift


class UsesItsNorm(Right):
    """Reads a weight of its batch norm once more, which folding replaces."""

    module = forward(lambda self, images, logits: logits + (5 if isinstance(self.inside[1], nn.BatchNorm2d) else 0))


class FlatFeatures(Right):
    module = fault(features=lambda self, images: images.mean(dim=(1, 2, 3)))


class OtherLogits(Right):
    module = fault(pixel_features=lambda self, images: (self(images) + 1, self.inside(images)))


class Unpicklable(Right):
    def __init__(self) -> None:
        self.scale = lambda images: images


class ForgetsItsSetting(Right):
    def __init__(self) -> None:
        self.extra = 1

    def __getstate__(self) -> dict[str, Any]:
        return {"extra": 0}

    def build(self, channels: int, classes: int) -> Any:
        torch.rand(self.extra)
        return Plain(channels, classes)


FAULTS: list[tuple[type[Right], str, str]] = [
    (NoModule, "logits_of_every_pixel", "builds a Conv2d"),
    (HalfSize, "logits_of_every_pixel", "was wanted"),
    (Half, "logits_of_every_pixel", "float16"),
    (Infinite, "logits_of_every_pixel", "not finite"),
    (GreyOnly, "logits_of_every_pixel", "failed on images"),
    (NeedsMore, "logits_of_every_pixel", "failed on images"),
    (SquareOnly, "logits_of_every_pixel", "failed on images"),
    (TwoHeads, "as_many_heads_as_declared", "declares heads = 2 and gives 1"),
    (OtherHead, "as_many_heads_as_declared", "otherwise than its first head"),
    (OtherScale, "heads_at_every_scale", "gives a scale with outputs of shapes"),
    (FirstScaleDiffers, "heads_at_every_scale", "other heads in its first scale"),
    (Unused, "gradients_reach_all_weights", "no head depends on: aside.weight"),
    (Dead, "gradients_reach_all_weights", "gradient is zero"),
    (DropsInEvaluation, "deterministic_in_evaluation", "global random state of torch"),
    (BatchStatistics, "slices_alone_or_volumes", "another batch"),
    (Undeclared3D, "slices_alone_or_volumes", "volumetric = False .* window = 4"),
    (ShallowFeatures, "features_of_volumes_of_any_depth", r"features of \[4, 5, 5\] slices for a volume of 5"),
    (DropsChannels, "dropout_of_single_numbers", "has Dropout2d, which dropout passes leave out"),
    (FixedSeed, "weights_from_the_seed", "same weights from another seed"),
    (NoSeed, "weights_from_the_seed", "other weights from the same seed"),
    (KeptAside, "state_dict_round_trip", "belongs in state_dict"),
    (UsesItsNorm, "same_when_folded", "batch norms are folded"),
    (FlatFeatures, "features_or_a_clear_refusal", r"gives features \(2,\)"),
    (OtherLogits, "features_or_a_clear_refusal", "different logits"),
    (Unpicklable, "survives_pickling", "cannot be pickled"),
    (ForgetsItsSetting, "survives_pickling", "another network after pickling"),
]


@pytest.mark.parametrize(("broken", "by", "says"), FAULTS, ids=[broken.__name__ for broken, _, _ in FAULTS])
def test_finds(broken: type[Right], by: str, says: str) -> None:
    one = next(c for c in CHECKS if c.__name__ == by)
    with pytest.raises(AssertionError, match=says) as caught:
        one(broken())
    assert str(caught.value).startswith(broken.__name__)


def test_every_check_is_needed_and_a_right_network_passes_all() -> None:
    assert {by for _, by, _ in FAULTS} == {one.__name__ for one in CHECKS}
    right: Network = Right()
    check(right)
