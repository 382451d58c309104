from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from tests.conftest import network_trainer


def put(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(settings)
    *parents, last = path.split(".")
    at = changed
    for parent in parents:
        at = at[parent]
    at[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("recipe.strategy", "coreest", "Did you mean 'coreset'"),
        ("recipe.strategy", "coreset", "works on an embedding; add embed"),
        ("recipe.embed", "pixels", "uses no embedding; remove embed"),
        ("recipe.strategy", "oracle_foreground", "'oracle_' are for strategies that read ground truth"),
        ("annotation", "mask_", "Did you mean 'mask'"),
        ("budgets", [], "budgets"),
        ("budgets", [0.0, 0.1], r"share in \(0, 1\] or a number of slices"),
        ("budgets", [1.5], r"share in \(0, 1\]"),
        ("seed", -1, "seed"),
        ("members", 0, "members"),
        ("threads", 0, "threads"),
        ("cover", "task_net", "must not depend on a trained network"),
        ("train.batch", 0, "batch"),
        ("train.bach", 3, "Did you mean 'batch'"),
        ("train.augment", {"degres": 3}, "Did you mean 'degrees'"),
        ("dataset.prepare.size", "big", "size"),
        ("dataset.reader", "acd", "Did you mean 'acdc'"),
        ("dataset.classes", ["background", "wall", "cavity"], "gives 4 labels, classes names 3"),
        ("dataset.name", "a/b", "name"),
        ("dataset.prepare.size", 17, "must be a multiple of 2"),
        ("recipe.name", "../up", "name"),
        ("train.network.dropouts", [0.1], "2 widths need as many dropouts, got 1"),
        ("train", {"network": "unet3d", "loss": "ce_dice", "epochs": 3}, "epochs counts slices.* set epochs: null"),
        ("train", {"network": "unet3d", "loss": "ce_dice"}, "size 16 leaves one pixel .* at least 32 is needed"),
        (
            "train",
            {"network": {"name": "unet_resnet50", "weights": ""}, "loss": "ce_dice"},
            "initial weights is missing",
        ),
        ("train.optimiser", "adamw", "'sgd' or 'adam'"),
        ("train.clip_norm", 0, "clip_norm"),
        ("train.epochs", 0, "epochs"),
        ("device", "gpu", "device"),
        ("evaluate", {"nsd_tolerance_mm": 0}, "nsd_tolerance_mm"),
    ],
)
def test_every_mistake_is_one_clear_error(tiny: dict[str, Any], path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig.load(put(tiny, path, value))


def test_plain_data_and_back(tiny: dict[str, Any]) -> None:
    tiny["recipe"] = {"name": "gcl_coreset", "strategy": "coreset", "embed": {"name": "contrastive", "init": "random"}}
    config = RunConfig.load(tiny)
    again = RunConfig.load(config.describe())
    assert again == config
    assert again.fingerprint == config.fingerprint
    assert again.key == f"tiny-gcl_coreset-scribble-default-s0-{config.fingerprint[:8]}"


def test_fingerprint_is_what_is_run_not_where(tiny: dict[str, Any]) -> None:
    base = RunConfig.load(tiny).fingerprint
    assert RunConfig.load({**tiny, "device": "cpu"}).fingerprint == base
    assert RunConfig.load({**tiny, "dataset": {**tiny["dataset"], "root": "/elsewhere"}}).fingerprint == base
    assert RunConfig.load({**tiny, "seed": 1}).fingerprint != base
    assert RunConfig.load(put(tiny, "train.lr", 0.02)).fingerprint != base


@pytest.mark.parametrize("part", ["strategy", "trainer"])
def test_fingerprint_tells_versions_of_a_part_apart(
    tiny: dict[str, Any], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig.load(tiny)
    before, described = config.fingerprint, config.describe()
    cls = type(config.recipe.strategy if part == "strategy" else config.train)
    monkeypatch.setattr(cls, "format", cls.format + 1)
    assert config.fingerprint != before
    assert config.describe() == described


def test_budgets_in_shares_and_slices(tiny: dict[str, Any]) -> None:
    config = RunConfig.load({**tiny, "budgets": [0.02, 0.05, 100, 1.0]})
    assert config.counts(1454) == (29, 72, 100, 1454)
    with pytest.raises(ConfigError, match="budget 100 is 100 slices, more than the 80 training slices"):
        config.counts(80)
    with pytest.raises(ConfigError, match="budgets must grow"):
        config.counts(20)  # 2 % of 20 slices is none


VOLUMETRIC = {"network": {"name": "unet3d", "widths": [4, 8, 8]}, "loss": "ce_dice"}


@pytest.mark.parametrize("network", [VOLUMETRIC["network"], {"name": "dynunet"}])
def test_volumetric_networks_serve_every_strategy(network: dict[str, Any], tiny: dict[str, Any]) -> None:
    tiny["train"] = {**VOLUMETRIC, "network": network}
    for recipe in ({"strategy": "badge"}, {"strategy": "bald"}, {"strategy": "coreset", "embed": "task_net"}):
        RunConfig.load({**tiny, "recipe": {"name": "r", **recipe}})


@pytest.mark.parametrize("network", [{"name": "dynunet", "dropout": 0}, {"name": "unet", "dropouts": [0] * 5}])
@pytest.mark.parametrize("strategy", ["bald", {"name": "stochastic_batches", "score": "variance_ratio"}])
def test_dropout_passes_need_dropout(network: dict[str, Any], strategy: Any, tiny: dict[str, Any]) -> None:
    tiny |= {"train": {"network": network, "loss": "ce_dice"}, "recipe": {"name": "r", "strategy": strategy}}
    with pytest.raises(ConfigError, match="'r' compares dropout passes, and network '.*unet' has no dropout"):
        RunConfig.load(tiny)
    for other in ("badge", {"name": "bald", "source": "auto"}):  # members are compared instead
        RunConfig.load({**tiny, "members": 3, "recipe": {"name": "r", "strategy": other}})


def test_weights_of_the_network_are_checked_before_compute(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["dataset"]["prepare"]["size"] = 32
    tiny["train"] = {"network": {"name": "unet_resnet50", "weights": str(tmp_path / "none.pth")}, "loss": "ce_dice"}
    config = RunConfig.load(tiny)
    with pytest.raises(ConfigError, match="ResNet-50 weights wanted from .*none.pth, not usable: .*No such file"):
        config.check()
    RunConfig.load(put(tiny, "train.network.weights", None)).check()


def test_weights_count_by_what_they_hold(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["dataset"]["prepare"]["size"] = 32
    files = [tmp_path / "a" / "one.pth", tmp_path / "b" / "other.pth", tmp_path / "b" / "one.pth"]
    for path, held in zip(files, (b"same", b"same", b"else"), strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(held)

    def fingerprint(path: Path | None) -> str:
        network = {"name": "unet_resnet50", "weights": None if path is None else str(path)}
        return RunConfig.load({**tiny, "train": {"network": network, "loss": "ce_dice"}}).fingerprint

    one, moved, replaced = map(fingerprint, files)
    assert one == moved != replaced
    files[0].write_bytes(b"else")
    assert fingerprint(files[0]) == replaced
    gone = [fingerprint(tmp_path / folder / "gone.pth") for folder in "ab"]
    assert len({*gone, fingerprint(tmp_path / "far.pth"), fingerprint(None), one, replaced}) == 5


def test_size_that_a_volumetric_network_can_be_trained_at(tiny: dict[str, Any]) -> None:
    """The smallest size accepted trains on a single slice, the hardest case for instance norm."""
    tiny["train"] = put(VOLUMETRIC, "network.widths", [4, 8, 8, 8])
    network = network_trainer(RunConfig.load(tiny)).network.build(1, 4).train()
    assert network(torch.rand(1, 1, 16, 16)).isfinite().all()
    tiny["dataset"]["prepare"]["size"] = 8
    with pytest.raises(ConfigError, match="size 8 leaves one pixel at the deepest level of network 'unet3d'.* 16 "):
        RunConfig.load(tiny)


def test_who_starts_at_random(tiny: dict[str, Any]) -> None:
    pixels = {"strategy": "coreset", "embed": "pixels"}
    starts = [
        RunConfig.load({**tiny, "recipe": {"name": "r", **recipe}}).starts_at_random
        for recipe in ({"strategy": "random"}, {"strategy": "entropy"}, {**pixels, "embed": "task_net"}, pixels)
    ]
    assert starts == [True, True, True, False]
