"""Every registered embedder passes the conformance suite, and each check finds a planted fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from alseg_core.embed import EMBEDDERS, EmbedContext, Embedder, Embedding
from alseg_core.embed.conformance import CHECKS, POINTWISE, Check, check

SMALL: dict[str, dict[str, Any]] = {
    "contrastive": {"init": "random", "image_size": 16, "epochs": 1},
    "imagenet": {"init": "random", "image_size": 32},
    "timm": {"weights": "random", "model": "test_vit", "image_size": 32},
}
"""Settings of the embedders with an encoder, so that the suite takes seconds and no download."""


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize("name", sorted(EMBEDDERS))
def test_conforms(name: str, one: Check, request: pytest.FixtureRequest) -> None:
    if name == "timm":
        request.getfixturevalue("timm")
    one(EMBEDDERS.build({"name": name, **SMALL.get(name, {})}))


@pytest.mark.parametrize("one", POINTWISE)
@pytest.mark.parametrize("name", ["pixels", "imagenet", "task_net"])
def test_conforms_slice_by_slice(name: str, one: Check) -> None:
    one(EMBEDDERS.build({"name": name, **SMALL.get(name, {})}))


class Right:
    """Mean and first pixel; the faults below change one thing."""

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "none"

    def check(self) -> None:
        """Nothing is needed."""

    def embed(self, context: EmbedContext) -> Embedding:
        return Embedding(self.features(context))

    def features(self, context: EmbedContext) -> Any:
        images = context.slices.images()
        return np.stack([images.mean(axis=(1, 2, 3)), images[:, 0, 0, 0]], axis=1)


class Float64(Right):
    def features(self, context):
        return super().features(context).astype(np.float64)


class OneShort(Right):
    def features(self, context):
        return super().features(context)[:-1]


class Flat(Right):
    def features(self, context):
        return super().features(context)[:, 0]


class Normalised(Right):
    """Divides by a deviation that is zero when all slices are the same."""

    def features(self, context):
        own = super().features(context)
        with np.errstate(all="ignore"):
            return own / (own - own[0]).std(axis=0)


class GreyOnly(Right):
    def features(self, context):
        return context.slices.images().reshape(len(context.slices), 32, 32).mean(axis=1)


class AnArray(Right):
    def embed(self, context):
        return self.features(context)


class ArraysAsFacts(Right):
    def embed(self, context):
        return Embedding(self.features(context), {"mean": np.zeros(3)})


class AsksForANetwork(Right):
    def features(self, context):
        return context.model.features(torch.from_numpy(context.slices.images())).numpy()


class NoGenerator(Right):
    def features(self, context):
        return np.random.default_rng().normal(size=(len(context.slices), 3)).astype(np.float32)


class NumpyGlobal(Right):
    def features(self, context):
        return np.random.normal(size=(len(context.slices), 3)).astype(np.float32)


class TorchSeeded(Right):
    def features(self, context):
        torch.manual_seed(context.seed)
        return torch.randn(len(context.slices), 3).numpy()


class Stateful(Right):
    def __init__(self) -> None:
        self.calls = 0

    def features(self, context):
        self.calls += 1
        return super().features(context) + np.float32(self.calls)


class _Stored(Right):
    def features(self, context):
        own = super().features(context)
        if context.store is None:
            return own

        def make(folder: Path) -> None:
            np.save(folder / "features.npy", own)

        return self.read(context.store.fetch("mine", self.key(context), make))

    def read(self, entry: Path) -> Any:
        return np.load(entry / "features.npy")

    def key(self, context):
        return {"data": context.data_key, "rows": context.slices.rows.tolist()}


class RoundsInTheStore(_Stored):
    def read(self, entry: Path) -> Any:
        return super().read(entry).round(1)


class OneEntryForAll(_Stored):
    def key(self, context):
        return {"seed": context.seed}


class Unpicklable(Right):
    def __init__(self) -> None:
        self.scale = lambda images: 2 * images


class ForgetsItsSetting(Right):
    def __init__(self) -> None:
        self.scale = 2

    def __getstate__(self) -> dict[str, Any]:
        return {"scale": 1}

    def features(self, context):
        return super().features(context) * np.float32(self.scale)


class Writes(Right):
    def features(self, context):
        context.slices.base[:] -= context.slices.base.mean()
        return super().features(context)


class WritesThroughTorch(Right):
    def features(self, context):
        torch.from_numpy(context.slices.base).mul_(2)
        return super().features(context)


class RowsOfTheArray(Right):
    def features(self, context):
        return context.slices.base[np.sort(context.slices.rows)].reshape(len(context.slices), -1)


FAULTS: list[tuple[type[Right], str, str]] = [
    (Float64, "one_finite_vector_a_slice", "float64"),
    (OneShort, "one_finite_vector_a_slice", r"shape \(8, 2\).*\(9, D\)"),
    (Flat, "one_finite_vector_a_slice", r"shape \(9,\)"),
    (Normalised, "one_finite_vector_a_slice", "not finite on slices with the same image"),
    (GreyOnly, "one_finite_vector_a_slice", "failed on colour images"),
    (AnArray, "one_finite_vector_a_slice", "no Embedding"),
    (ArraysAsFacts, "one_finite_vector_a_slice", "no plain data"),
    (AsksForANetwork, "one_finite_vector_a_slice", "NoneType"),
    (NoGenerator, "repeatable", "when called again"),
    (Stateful, "repeatable", "when called again"),
    (NumpyGlobal, "random_by_the_seed_alone", "global random state of numpy"),
    (TorchSeeded, "random_by_the_seed_alone", "global random state of torch"),
    (RoundsInTheStore, "same_from_the_store", "a fresh store"),
    (OneEntryForAll, "tells_pools_apart_in_the_store", "another pool"),
    (Unpicklable, "survives_pickling", "cannot be pickled"),
    (ForgetsItsSetting, "survives_pickling", "after pickling"),
    (Writes, "leaves_the_pool_alone", "writes into"),
    (WritesThroughTorch, "leaves_the_pool_alone", "writes into"),
    (RowsOfTheArray, "rows_follow_positions", "row = position"),
]


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize(("fault", "by", "says"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_finds(fault: type[Right], by: str, says: str) -> None:
    one = next(c for c in (*CHECKS, *POINTWISE) if c.__name__ == by)
    with pytest.raises(AssertionError, match=says) as caught:
        one(fault())
    assert str(caught.value).startswith(fault.__name__)


def test_every_check_is_needed_and_a_right_embedder_passes_all() -> None:
    assert {by for _, by, _ in FAULTS} == {one.__name__ for one in (*CHECKS, *POINTWISE)}
    right: Embedder = Right()
    check(right, pointwise=True)
