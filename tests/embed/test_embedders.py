"""Embedders: vectors in the order of positions, trained once, the same from the store and without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alseg_core.data.slices import Slices, SliceTable
from alseg_core.embed import EMBEDDERS, EmbedContext
from alseg_core.embed.embedder import CPU_SECONDS
from alseg_core.errors import ConfigError
from alseg_core.metric_learning.encode import encode
from alseg_core.metric_learning.fit import ContrastiveTraining
from alseg_core.models.resnet import ResNetEncoder, load_imagenet
from alseg_core.registry import describe, summary
from alseg_core.store import Store

torch.set_num_threads(1)

QUICK = {"name": "contrastive", "epochs": 1, "image_size": 32, "init": "random"}


def pool(n: int = 6, size: int = 32) -> Slices:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(n + 5, 1, size, size)).astype(np.float32)
    names = ("a", "b")
    table = SliceTable(names, ("p", "q"), np.arange(n) % 2, np.arange(n) // 2)
    return Slices(table, base, rng.permutation(n + 5)[:n])


def context(slices: Slices, store: Store | None = None, **changes: object) -> EmbedContext:
    fields = {"data_key": "toy", "seed": 3, "device": "cpu", "model": None, **changes}
    return EmbedContext(slices=slices, store=store, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(EMBEDDERS))
def test_every_embedder_introduces_itself(name: str) -> None:
    cls: Any = EMBEDDERS[name]
    assert len(summary(cls)) > 20 and summary(cls).endswith(".") and isinstance(cls.needs_model, bool) and cls.paper
    built = EMBEDDERS.build(name)
    assert EMBEDDERS.build(json.loads(json.dumps(describe(built)))) == built


def test_pixels() -> None:
    slices = pool()
    features = EMBEDDERS.build("pixels").embed(context(slices)).features
    assert features.shape == (6, 1024) and features.dtype == np.float32
    assert np.array_equal(features[4], slices.base[slices.rows[4]].ravel())
    small = EMBEDDERS.build({"name": "pixels", "size": 8}).embed(context(slices)).features
    image = slices.base[slices.rows[2], 0]
    means = [image[i : i + 4, j : j + 4].mean() for i in range(0, 32, 4) for j in range(0, 32, 4)]
    np.testing.assert_allclose(small[2], means, atol=1e-5)


def test_pixels_of_neighbouring_rows_are_the_shared_array_itself() -> None:
    slices = pool(20)
    together = Slices(slices.table, slices.base, np.arange(3, 23))
    pixels = EMBEDDERS.build("pixels")
    features = pixels.embed(context(together)).features
    assert np.shares_memory(features, slices.base) and np.array_equal(features, together.images().reshape(20, -1))
    for rows in (np.arange(3, 23)[::-1].copy(), np.r_[0:19, 22]):
        apart = Slices(slices.table, slices.base, rows)
        features = pixels.embed(context(apart)).features
        assert not np.shares_memory(features, slices.base)
        assert np.array_equal(features, apart.images().reshape(20, -1))


def test_averaged_pixels_do_not_depend_on_the_chunks() -> None:
    slices = pool(150, size=8)
    features = EMBEDDERS.build({"name": "pixels", "size": 4}).embed(context(slices)).features
    truth = slices.images().reshape(150, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(150, 16)
    np.testing.assert_allclose(features, truth, atol=1e-6)


class Means:
    """A network whose features of a slice are its mean and its first pixel; it counts what passes through."""

    window: int | None = None

    def __init__(self) -> None:
        self.chunks: list[int] = []

    def features(self, images: Tensor) -> Tensor:
        self.chunks.append(len(images))
        return torch.stack([images.mean(dim=(1, 2, 3)), images[:, 0, 0, 0]], dim=1)


def test_task_net() -> None:
    slices, model = pool(70, size=64), Means()
    features = EMBEDDERS.build("task_net").embed(context(slices, model=model)).features
    images = slices.images()
    truth = np.stack([images.mean(axis=(1, 2, 3)), images[:, 0, 0, 0]], axis=1)
    np.testing.assert_allclose(features, truth, atol=1e-6)
    assert len(model.chunks) > 1 and sum(model.chunks) == 70
    for nothing in (None, object()):
        with pytest.raises(ConfigError, match="trained network"):
            EMBEDDERS.build("task_net").embed(context(slices, model=nothing))


def test_contrastive_is_flat_and_has_the_fields_of_the_training() -> None:
    built = EMBEDDERS.build({"name": "contrastive", "w_volume": 0.7, "epochs": 3})
    assert isinstance(built, ContrastiveTraining) and built.w_volume == 0.7 and built.temperature == 0.5
    with pytest.raises(ConfigError, match="'epochs'"):
        EMBEDDERS.build({"name": "contrastive", "epoch": 3})


def test_contrastive_trains_once_and_gives_the_same_from_the_store(tmp_path: Path) -> None:
    slices, embedder = pool(4), EMBEDDERS.build(QUICK)
    calls: list[object] = []
    store = Store(tmp_path)
    direct = embedder.embed(context(slices))
    fresh = embedder.embed(context(slices, store, progress=calls.append))
    stored = embedder.embed(context(slices, store, progress=calls.append))
    assert calls == [1.0]  # the second time nothing was trained
    for other in (fresh, stored):
        assert np.array_equal(direct.features, other.features) and other.features.dtype == np.float32
        kept = dict(other.facts)
        assert (
            kept.pop("encoder_seconds") > 0
            and kept.pop(CPU_SECONDS) > 0
            and (tmp_path / "encoder" / kept.pop("encoder")).is_dir()
        )
        assert json.dumps(direct.facts) == json.dumps(kept)
    assert fresh.facts == stored.facts
    assert set(direct.facts) == {"init", "epochs", "best_epoch", "stopped_early", "losses"}
    (entry,) = (path for path in (tmp_path / "encoder").iterdir() if path.is_dir())
    encoder = ResNetEncoder(1)
    encoder.load_state_dict(torch.load(entry / "encoder.pt", weights_only=True))
    np.testing.assert_allclose(encode(encoder, slices, 32), direct.features, atol=1e-5)


@pytest.mark.slow
def test_contrastive_is_trained_anew_for_anything_that_matters(tmp_path: Path) -> None:
    slices, store = pool(2), Store(tmp_path)
    renamed = Slices(SliceTable(("a", "c"), ("p", "q"), slices.table.volume, slices.table.z), slices.base, slices.rows)
    for settings, where in [
        (QUICK, context(slices, store)),
        (QUICK, context(slices, store, seed=4)),
        (QUICK, context(slices, store, data_key="other")),
        (QUICK, context(renamed, store)),
        ({**QUICK, "w_volume": 0.5}, context(slices, store)),
        ({**QUICK, "views": {"flip": 0}}, context(slices, store)),
    ]:
        EMBEDDERS.build(settings).embed(where)
    assert len([path for path in (tmp_path / "encoder").iterdir() if path.is_dir()]) == 6


@pytest.mark.parametrize("settings", [QUICK, {"name": "imagenet", "init": "random", "image_size": 32}])
def test_normalised_features_have_length_1_and_the_same_direction(settings: dict[str, Any], tmp_path: Path) -> None:
    slices, store = pool(4), Store(tmp_path)
    plain = EMBEDDERS.build(settings).embed(context(slices, store)).features
    unit = EMBEDDERS.build({**settings, "normalise": True}).embed(context(slices, store)).features
    assert unit.dtype == np.float32 and not np.allclose(np.linalg.norm(plain, axis=1), 1)
    np.testing.assert_allclose(unit, [row / np.sqrt((row**2).sum()) for row in plain], rtol=1e-4, atol=1e-6)


def test_what_does_not_change_the_training_trains_no_other_encoder(tmp_path: Path) -> None:
    slices, store = pool(3), Store(tmp_path)
    for changes in ({}, {"normalise": True}, {"encoder_seed": 3}):
        EMBEDDERS.build({**QUICK, **changes}).embed(context(slices, store, seed=3))
    assert len([path for path in (tmp_path / "encoder").iterdir() if path.is_dir()]) == 1


@pytest.mark.parametrize("kept", [True, False])
def test_a_fixed_encoder_seed_gives_all_seeds_one_encoder_and_is_recorded(kept: bool, tmp_path: Path) -> None:
    slices = pool(3)

    def embed(seed: int, **changes: Any) -> Any:
        store = Store(tmp_path) if kept else None
        return EMBEDDERS.build({**QUICK, **changes}).embed(context(slices, store, seed=seed))

    fixed = [embed(seed, encoder_seed=7) for seed in (0, 1)]
    assert np.array_equal(fixed[0].features, fixed[1].features)
    assert fixed[0].facts["encoder_seed"] == fixed[1].facts["encoder_seed"] == 7
    own = [embed(seed) for seed in (0, 7)]
    assert not np.allclose(own[0].features, own[1].features) and np.array_equal(own[1].features, fixed[0].features)
    assert "encoder_seed" not in own[0].facts


def weights_file(folder: Path) -> str:
    """A ResNet-18 file for three channels, as the published one."""
    torch.manual_seed(7)
    encoder = ResNetEncoder(3)
    torch.save(encoder.state_dict(), folder / "mine.pth")
    return str(folder / "mine.pth")


def test_imagenet_is_the_encoder_on_grey_as_colour(tmp_path: Path) -> None:
    path, slices = weights_file(tmp_path), pool(70)
    embedded = EMBEDDERS.build({"name": "imagenet", "init": path, "image_size": 32}).embed(context(slices))
    assert embedded.features.shape == (70, 512) and embedded.features.dtype == np.float32
    assert embedded.facts == {"init": "file (mine.pth)"}  # the first convolution is the published one
    images = slices.images()
    encoder = ResNetEncoder(3)
    load_imagenet(encoder, path, "error")
    colour = torch.from_numpy(((images - images.mean()) / images.std()).repeat(3, axis=1))
    with torch.no_grad():
        truth = encoder.eval()(colour).numpy()
    np.testing.assert_allclose(embedded.features, truth, rtol=1e-3, atol=1e-4)


def test_imagenet_does_not_depend_on_the_scale_of_intensities(tmp_path: Path) -> None:
    slices, embedder = pool(4), EMBEDDERS.build({"name": "imagenet", "init": weights_file(tmp_path), "image_size": 48})
    scaled = Slices(slices.table, slices.base * 20 + 300, slices.rows)
    constant = Slices(slices.table, np.ones_like(slices.base), slices.rows)
    first, other, flat = (embedder.embed(context(s)).features for s in (slices, scaled, constant))
    np.testing.assert_allclose(first, other, rtol=1e-2, atol=1e-2 * np.abs(first).max())
    assert np.isfinite(flat).all()


def test_imagenet_keeps_colours(tmp_path: Path) -> None:
    embedder = EMBEDDERS.build({"name": "imagenet", "init": weights_file(tmp_path), "image_size": 32})
    base = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    table = SliceTable(("a",), ("p",), np.zeros(2, dtype=np.int64), np.arange(2))
    turned = Slices(table, base[:, [2, 0, 1]], np.arange(2))
    first, second = (embedder.embed(context(s)).features for s in (Slices(table, base, np.arange(2)), turned))
    assert not np.allclose(first, second, rtol=1e-3)


def test_imagenet_says_what_it_used_and_keeps_it(tmp_path: Path) -> None:
    slices, store, absent = pool(3), Store(tmp_path / "store"), str(tmp_path / "absent.pth")
    with pytest.raises(ConfigError, match=r"absent\.pth"):
        EMBEDDERS.build({"name": "imagenet", "init": absent}).check()
    embedder = EMBEDDERS.build({"name": "imagenet", "init": absent, "if_missing": "random", "image_size": 32})
    embedder.check()
    calls: list[float] = []
    fresh = embedder.embed(context(slices, store, progress=calls.append))
    weights_file(tmp_path)
    (tmp_path / "mine.pth").rename(absent)  # weights that appear later do not change what is stored
    stored = embedder.embed(context(slices, store, progress=calls.append))
    assert calls == [1.0] and fresh.facts["init"].startswith("random (file absent.pth not usable")
    assert np.array_equal(fresh.features, stored.features) and fresh.facts == stored.facts
    other = embedder.embed(context(slices, store, seed=4))
    assert other.facts["init"] == "file (absent.pth)" and other.facts[CPU_SECONDS] > 0
    assert not np.allclose(other.features, fresh.features)


def test_imagenet_draws_from_the_seed_of_the_run() -> None:
    slices, embedder = pool(3), EMBEDDERS.build({"name": "imagenet", "init": "random", "image_size": 32})
    results = []
    for noise, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(noise)
        results.append(embedder.embed(context(slices, seed=seed)).features)
    assert np.array_equal(results[0], results[1]) and not np.allclose(results[0], results[2])
