"""What strategies see through volumetric networks: any slices, in any order, as if each volume were predicted alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import alseg_core.strategies.conformance as suite
from alseg_core import checkpoint, loop
from alseg_core.config import RunConfig
from alseg_core.data.slices import Slices
from alseg_core.embed import EmbedContext
from alseg_core.embed.conformance import pool
from alseg_core.embed.task_net import TaskNet
from alseg_core.geometry.symmetries import symmetries
from alseg_core.material import open_material
from alseg_core.models.dynunet import DynUNet
from alseg_core.models.module import SegmentationModule
from alseg_core.models.unet3d import UNet3D
from alseg_core.seeding import torch_seeded
from alseg_core.signals import Signals
from alseg_core.store import Store
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.synthetic_view import SyntheticView
from alseg_core.training import NetworkTrainer, Trainer
from alseg_core.training.dropout import Dropping, Masks
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member
from alseg_core.vocabulary import IntArray

DEPTHS = (5, 1, 11, 4)
"""The window of the networks is 4."""


def network(seed: int, channels: int = 1, classes: int = 3) -> SegmentationModule:
    with torch_seeded(seed):
        kind = DynUNet(width=4, cap=8, window=4, dropout=0.5, spacing_mm=(4.0, 1.0, 1.0), shape=(4, 16, 16))
        return kind.build(channels, classes).eval()


@cache
def ensemble(members: int = 2, channels: int = 1, classes: int = 3) -> Ensemble:
    found = [Member(network(seed, channels, classes), 0.5 + 0.1 * seed, 1) for seed in range(members)]
    return Ensemble(found, "cpu")


def signals(slices: Slices, models: Ensemble, classes: int = 3) -> Signals:
    everything, none = np.arange(len(slices)), np.zeros(0, np.int64)
    return Signals(
        slices=slices,
        labelled=none,
        unlabelled=everything,
        classes=classes,
        round=1,
        rounds=2,
        device="cpu",
        ensemble=models,
    )


def by_volume(slices: Slices, answer: Any) -> dict[tuple[str, int], Tensor]:
    """(case, z) -> row of the answer for the whole volume."""
    rows: dict[tuple[str, int], Tensor] = {}
    for volume, case in enumerate(slices.table.cases):
        whole = slices.table.of_volume(volume)
        with torch.no_grad():
            found = answer(torch.from_numpy(slices.images(whole)))
        rows |= {(case, z): found[z] for z in range(len(whole))}
    return rows


def orders(count: int) -> list[IntArray]:
    rng = np.random.default_rng(0)
    return [np.arange(count), rng.permutation(count)[:5], np.array([7]), np.zeros(0, np.int64)]


def test_rows_of_any_slices_in_any_order() -> None:
    slices, models = pool(DEPTHS), ensemble()
    view = signals(slices, models)
    nets = [member.network for member in models.members]
    expected = [by_volume(slices, lambda x, net=net: net(x).softmax(dim=1)) for net in nets]
    best = nets[1]
    assert isinstance(best, SegmentationModule)
    maps = by_volume(slices, lambda x: best.pixel_features(x)[1])
    for positions in orders(len(slices)):
        seen = []
        for chunk, members in view.member_probabilities(positions):
            for wanted, found in zip(expected, members, strict=True):
                for position, row in zip(chunk, found, strict=True):
                    assert torch.allclose(row, wanted[slices.table.locate(int(position))], atol=1e-6)
            seen.append(chunk)
        assert np.array_equal(np.concatenate([*seen, np.zeros(0, np.int64)]), positions)
        for chunk, probabilities, features in view.pixel_features(positions):
            for position, p, h in zip(chunk, probabilities, features, strict=True):
                place = slices.table.locate(int(position))
                assert torch.allclose(p, expected[1][place], atol=1e-5) and torch.allclose(h, maps[place], atol=1e-5)


def test_dropout_passes_are_those_of_whole_volumes() -> None:
    slices, models = pool(DEPTHS), ensemble()
    view = signals(slices, models)

    def passes(positions: IntArray) -> dict[tuple[str, int], Tensor]:
        rows = {}
        for chunk, members in view.dropout_probabilities(positions, 3, np.random.default_rng(4)):
            for i, stack in enumerate(torch.stack(list(members)).unbind(dim=1)):
                rows[slices.table.locate(int(chunk[i]))] = stack
        return rows

    order = np.lexsort((slices.table.z, slices.table.volume))
    everything, some = (
        passes(order),
        passes(np.delete(order, [1, 8])),
    )  # the same volumes in the same order: the same masks
    assert set(some) < set(everything) and len(everything) == sum(DEPTHS)
    assert all(torch.equal(everything[place], row) for place, row in some.items())
    for stack in everything.values():
        assert stack.shape == (3, 3, 32, 32) and torch.allclose(stack.sum(dim=1), torch.tensor(1.0), atol=1e-5)
    spread = torch.stack(list(everything.values())).std(dim=1).mean()
    assert spread > 1e-3


def test_turned_passes_are_those_of_whole_volumes() -> None:
    slices, models = pool(DEPTHS), ensemble()
    best = models.members[1].network
    expected = [by_volume(slices, lambda x, s=s: s.undo(best(s.apply(x)).softmax(dim=1))) for s in symmetries((32, 32))]
    order = np.random.default_rng(1).permutation(len(slices))[:9]
    for chunk, turned in signals(slices, models).tta_probabilities(order, 8, np.random.default_rng(0)):
        for stack in turned:
            rows = [slices.table.locate(int(position)) for position in chunk]
            assert any(
                all(torch.allclose(row, one[place], atol=1e-5) for row, place in zip(stack, rows, strict=True))
                for one in expected
            )


def test_dropout_passes_do_not_average_windows() -> None:
    """Alike slices away from the ends disagree alike, wherever windows begin and end."""
    images = torch.rand(1, 1, 32, 32).expand(32, 1, 32, 32)
    passes = Dropping(UNet3D(widths=(4, 8, 8), window=8, z_poolings=0, dropout=0.5).build(1, 3).eval())
    masks = Masks(0, torch.device("cpu"))
    with torch.no_grad():
        found = torch.stack([passes(images, masks).softmax(dim=1) for _ in range(60)])
    spread = found.std(dim=0).mean(dim=(1, 2, 3))[4:-4]
    assert spread.min() > 0.9 * spread.max()


def test_a_volume_is_computed_once_for_neighbouring_positions() -> None:
    slices, models = pool(DEPTHS), Ensemble([Member(network(0), None, 1)], "cpu")
    counted: list[int] = []
    passed: Any = models._networks[0]
    passed.net.input_block.register_forward_hook(lambda *_: counted.append(1))
    order = np.lexsort((slices.table.z, slices.table.volume))
    for _, members in signals(slices, models).member_probabilities(np.delete(order, [1, 8])):
        list(members)
    windows = {5: 2, 1: 1, 11: 5, 4: 1}
    assert len(counted) == sum(windows[depth] for depth in DEPTHS)


@pytest.mark.parametrize("wrapped", [True, False])
def test_features_of_slices_follow_positions(wrapped: bool) -> None:
    slices, models = pool(DEPTHS), ensemble(members=1)
    net = models.members[0].network
    assert isinstance(net, SegmentationModule)
    model: Any = models if wrapped else net
    found = TaskNet().embed(EmbedContext(slices, "key", 0, "cpu", None, model)).features
    expected = by_volume(slices, net.features)
    assert found.shape == (len(slices), 8)
    for position, row in enumerate(found):
        assert np.allclose(row, expected[slices.table.locate(position)].numpy(), atol=1e-5)


@dataclass(eq=False)
class VolumeView(SyntheticView):
    """The synthetic pool, predicted by 3D networks."""

    def real(self) -> Signals:
        models = ensemble(len(self.members), self.pixels.shape[1], self.classes)
        return signals(Slices(self.table, self.pixels, np.arange(len(self.table))), models, self.classes)

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        return self.real().member_probabilities(positions)

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        return self.real().dropout_probabilities(positions, passes, rng)

    def tta_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        return self.real().tta_probabilities(positions, passes, rng)

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        return self.real().pixel_features(positions)


LOOKING: dict[str, dict[str, Any]] = {
    **{name: {} for name, kind in STRATEGIES.items() if getattr(kind, "needs_model", False)},
    "bald": {"passes": 3},
    "variance_ratio": {"passes": 3},
}
"""Strategies that look through networks, with settings that keep the suite short."""
QUICK = "entropy"


class VolumeReferenceView(VolumeView):
    """The same for references."""

    def ground_truth(self) -> np.ndarray:
        return self.masks


@pytest.mark.parametrize("check", suite.CHECKS)
@pytest.mark.parametrize(
    "name", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in sorted(LOOKING)]
)
def test_strategies_conform(name: str, check: suite.Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "SyntheticView", VolumeView)
    monkeypatch.setattr(suite, "SyntheticReferenceView", VolumeReferenceView)
    check(STRATEGIES.build({"name": name, **LOOKING[name]}))


RECIPES: dict[str, dict[str, Any]] = {
    **{name: {"strategy": {"name": name, **fields}} for name, fields in LOOKING.items()},
    "coreset_task": {"strategy": "coreset", "embed": "task_net"},
    "core_gcn": {"strategy": {"name": "core_gcn", "epochs": 3}, "embed": "task_net"},
}


@pytest.mark.parametrize(
    "name", [name if name == "badge" else pytest.param(name, marks=pytest.mark.slow) for name in sorted(RECIPES)]
)
def test_recipes_run_from_end_to_end(name: str, tiny: dict[str, Any], tmp_path: Path) -> None:
    """The settings alone name the network: the pool plans it, and a continued run has the same one."""
    recipe = {"name": name, **RECIPES[name]}
    strategy = STRATEGIES.build(recipe["strategy"])
    if strategy.needs_embedding:
        recipe.setdefault("embed", "task_net")
    tiny |= {"recipe": recipe, "annotation": "mask", "budgets": [3, 6], "members": 1}
    network = {"name": "dynunet", "width": 4, "cap": 8}
    tiny["train"] = {"network": network, "loss": "ce_dice", "iterations_full": 20, "batch": 1, "validate_every": 50}
    config = RunConfig.load(tiny)
    records = loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    assert [record.labelled for record in records] == [3, 6]
    loop.run(config, tmp_path / "cut", Store(tmp_path / "other"), most=1)
    again = loop.run(config, tmp_path / "cut", Store(tmp_path / "other"))
    assert again[1].selected == records[1].selected and again[1].volumes == records[1].volumes


def test_members_of_a_fixed_network_give_their_rows_too() -> None:
    """Networks with whole poolings along z, and windows that are not full."""
    slices = pool((3, 7))
    with torch_seeded(0):
        net = UNet3D(widths=(4, 8, 8), window=8, z_poolings=2).build(1, 3).eval()
    view = signals(slices, Ensemble([Member(net, None, 1)], "cpu"))
    expected = by_volume(slices, lambda x: net(x).softmax(dim=1))
    for chunk, members in view.member_probabilities(np.arange(len(slices))[::-1]):
        for position, row in zip(chunk, next(members), strict=True):
            assert torch.allclose(row, expected[slices.table.locate(int(position))], atol=1e-6)


def test_the_pool_plans_the_network(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Spacing and depth are those of the training volumes; the settings, and with them the fingerprint, stay."""
    tiny["dataset"]["prepare"] = {"size": 20, "spacing_mm": 2.6}
    network = {"name": "dynunet_dual", "width": 4, "cap": 8}
    tiny["train"] = {"network": network, "loss": "dmpls", "iterations_full": 4, "batch": 1}
    tiny |= {"budgets": [3], "keep_network": True}
    config = RunConfig.load(tiny)
    store = Store(tmp_path / "store")
    loop.run(config, tmp_path / "run", store)
    material = open_material(config, store)
    infos = material.infos(material.split.train)
    planned = network_trainer_of(material.trainer).network
    assert isinstance(planned, DynUNet) and planned.spacing_mm is not None and planned.shape is not None
    z = np.median([info.spacing_mm[0] for info in infos])
    assert np.allclose(planned.spacing_mm, (z, 2.6, 2.6))
    assert planned.shape == (round(float(np.median([info.depth for info in infos]))), 20, 20)
    assert "spacing_mm" not in config.describe()["train"]["network"]
    (known,) = (store.root / "training").glob("*/key.json")
    assert json.loads(known.read_text())["key"]["train"]["network"]["spacing_mm"] == list(planned.spacing_mm)
    kept = checkpoint.load(tmp_path / "run")
    images = torch.rand(5, 1, 20, 20)
    with torch.no_grad():
        assert kept(images).shape == (5, 4, 20, 20)
    assert list(kept.state_dict()) == list(planned.build(1, 4).state_dict())


def network_trainer_of(trainer: Trainer) -> NetworkTrainer:
    assert isinstance(trainer, NetworkTrainer)
    return trainer
