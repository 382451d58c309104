"""Numbers far outside of any use are refused where they are set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from alseg_core.models.resnet import ResNetEncoder, load_imagenet
from alseg_core.models.weights import read_resnet
from tests.bench.study.loading import put, refused
from tests.conftest import TINY

CONTRASTIVE = {"name": "contrastive", "init": "random", "image_size": 16}
PLACES: dict[str, dict[str, Any]] = {
    "train.lr": {},
    "train.clip_norm": {},
    "train.weight_decay": {},
    "evaluate.nsd_tolerance_mm": {},
    "recipe.embed.lr": {"recipe.strategy": "coreset", "recipe.embed": CONTRASTIVE},
    "recipe.embed.temperature": {"recipe.strategy": "coreset", "recipe.embed": CONTRASTIVE},
    "recipe.embed.w_patient": {"recipe.strategy": "coreset", "recipe.embed": CONTRASTIVE},
    "recipe.embed.weight_decay": {"recipe.strategy": "coreset", "recipe.embed": CONTRASTIVE},
    "recipe.strategy.beta": {"recipe.strategy": {"name": "entropy", "sampling": "power"}},
}
"""Place of a number -> what must be set beside it."""


def configured(place: str, value: Any) -> dict[str, Any]:
    raw: dict[str, Any] = TINY
    for where, what in {**PLACES.get(place, {}), place: value}.items():
        raw = put(raw, where, what)
    return raw


@pytest.mark.parametrize("value", [1e300, 1e-300])
@pytest.mark.parametrize("place", PLACES)
def test_a_number_far_outside_of_any_use_is_refused_by_its_name(place: str, value: float) -> None:
    refused(RunConfig.load, configured(place, value), message=f"{place.split('.')[-1]}: ")


@pytest.mark.parametrize("place", PLACES)
def test_numbers_in_use_stay_allowed(place: str) -> None:
    for value in (1e-6, 1.0, 1000.0):
        assert RunConfig.load(configured(place, value)).fingerprint


@pytest.mark.parametrize("place", ["train.weight_decay", "recipe.embed.w_patient"])
def test_a_weight_may_be_zero(place: str) -> None:
    assert RunConfig.load(configured(place, 0.0)).fingerprint


@pytest.mark.parametrize("budgets", [[1e-300], [1e-10, 0.5], [0.5, 1.5], [0], [10**10]])
def test_a_budget_far_outside_of_any_use_is_refused(budgets: list[Any]) -> None:
    refused(RunConfig.load, put(TINY, "budgets", budgets), message="budgets: ")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_of_the_phantom_is_that_of_a_generator(seed: int) -> None:
    refused(RunConfig.load, put(TINY, "dataset.reader.seed", seed), message="seed: Input should be")


def test_a_file_of_weights_whose_name_has_a_null_byte_is_refused_as_one_that_is_missing() -> None:
    embed = {**CONTRASTIVE, "init": "a\0b.pth"}
    assert RunConfig.load(put(put(TINY, "recipe.strategy", "coreset"), "recipe.embed", embed)).fingerprint
    with pytest.raises(ConfigError, match="not usable: embedded null byte"):
        load_imagenet(ResNetEncoder(channels=3), "a\0b.pth", "error")
    with pytest.raises(ConfigError, match="not usable: embedded null byte"):
        read_resnet(Path("a\0b.pth"), {}, "ResNet-50")
