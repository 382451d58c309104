"""Parts as their author writes them beside a study: nothing of alseg imports this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from sklearn.naive_bayes import GaussianNB
from torch import Tensor

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import Slices
from alseg_core.embed import EmbedContext, Embedding
from alseg_core.errors import DataError
from alseg_core.oracles import Vault
from alseg_core.registry import component
from alseg_core.strategies import Strategy, View
from alseg_core.training import Trainer
from alseg_core.training.batches import TrainingSet
from alseg_core.training.member import Member
from alseg_core.training.model import Model
from alseg_core.vocabulary import IGNORE, Annotation, IntArray, Selection


@component
class Brightest(Strategy):
    """The brightest slices, a few of each volume at most."""

    paper: ClassVar[str] = "none"

    most: Annotated[int, Field(ge=1)] = 3
    """Slices of one volume that are preferred to those of others."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        left = view.unlabelled
        light = view.images(left).mean(axis=(1, 2, 3)).astype(np.float64)
        volume = view.table.volume[left]
        rank = np.array([np.sum(light[volume == v] > own) for v, own in zip(volume, light, strict=True)])
        order = np.lexsort((-light, rank >= self.most))[:budget]
        return Selection(left[order], light[order])


@component
class Moments:
    """Mean, standard deviation and, where wanted, higher moments of a slice."""

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "none"

    highest: Annotated[int, Field(ge=2)] = 2
    """Highest central moment."""

    def check(self) -> None:
        """Nothing from outside is needed."""

    def embed(self, context: EmbedContext) -> Embedding:
        """(N, highest) float32."""
        pixels = context.slices.images().reshape(len(context.slices), -1).astype(np.float64)
        mean = pixels.mean(axis=1)
        moments = [((pixels - mean[:, None]) ** order).mean(axis=1) for order in range(2, self.highest + 1)]
        return Embedding(np.stack([mean, *moments], axis=1).astype(np.float32))


@component
class Boxes:
    """A box around each structure: its label inside, everything outside all boxes unmarked."""

    fill: ClassVar[int] = IGNORE
    training: ClassVar[Mapping[str, Any]] = {"network": {"name": "unet"}, "loss": {"name": "ce_dice"}}
    cites: ClassVar[Mapping[str, str]] = {}

    cost: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Cost of one slice, as a share of that of a full mask."""

    def check(self, cases: Sequence[CaseInfo]) -> None:
        """Raise DataError unless every case has a mask to draw boxes around."""
        missing = [case.case for case in cases if not case.has_mask]
        if missing:
            raise DataError(f"boxes are drawn around masks; none for {', '.join(missing[:5])}.")

    def origin(self, cases: Sequence[CaseInfo]) -> str:
        """Return "simulated"."""
        return "simulated"

    def annotate(self, vault: Vault, slices: Slices, positions: IntArray, seed: int) -> Annotation:
        """Return the boxes of ``positions``; where they overlap, that of the higher class is on top."""
        masks = vault.masks(slices.rows[positions], "oracle", "training labels", self.cost)
        labels = np.full_like(masks, IGNORE)
        for mask, boxes in zip(masks, labels, strict=True):
            labels_here = np.unique(mask[mask > 0])
            if not len(labels_here):
                boxes[:] = 0  # nothing to draw a box around
            for label in labels_here:
                rows, columns = np.nonzero(mask == label)
                boxes[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = label
        return Annotation(positions, labels, len(positions) * self.cost)


FITTED = ("theta_", "var_", "class_prior_", "classes_")
"""Attributes of a fitted classifier that its predictions depend on."""
ABSENT = -1e4
"""Score of a class that nobody has labelled yet."""


class PixelModel:
    """Naive Bayes classes of pixels by their intensities and their place in the slice."""

    window = None

    def __init__(self, classifier: GaussianNB, classes: int) -> None:
        self.classifier, self.classes = classifier, classes

    def __call__(self, images: Tensor) -> Tensor:
        """Return log probabilities (B, K, H, W) of images (B, C, H, W)."""
        rows = pixel_features(images.cpu().numpy())
        scores = np.full((len(rows), self.classes), ABSENT)
        scores[:, self.classifier.classes_] = self.classifier.predict_log_proba(rows)
        shaped = scores.reshape(len(images), *images.shape[2:], self.classes)
        return torch.from_numpy(shaped).permute(0, 3, 1, 2).to(images)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments of the features in each class."""
        return {name: torch.from_numpy(getattr(self.classifier, name)) for name in FITTED}


def pixel_features(images: np.ndarray) -> np.ndarray:
    """Return (B * H * W, C + 2) features of images (B, C, H, W): intensities, row and column."""
    grid = np.indices(images.shape[2:]) / np.array(images.shape[2:])[:, None, None]
    places = np.broadcast_to(grid, (len(images), *grid.shape))
    together = np.concatenate([images, places], axis=1)
    return np.moveaxis(together, 1, -1).reshape(-1, together.shape[1]).astype(np.float64)


@component
class PixelClassifier(Trainer):
    """Gaussian naive Bayes on the intensities and the place of every labelled pixel."""

    smoothing: Annotated[float, Field(gt=0)] = 1e-3
    """Share of the largest variance that is added to all."""

    def iterations(self, labelled: int, share: float) -> int:
        """Return 1: all slices are seen at once."""
        return 1

    def fit(
        self,
        data: TrainingSet,
        classes: int,
        steps: int,
        fill: int,
        validate: Callable[[Model], float] | None,
        rng: np.random.Generator,
        progress: Callable[[int], None],
    ) -> Member:
        """See :class:`Trainer`."""
        labels = data.labels.cpu().numpy().ravel()
        known = labels != IGNORE
        present = len(np.unique(labels[known]))
        classifier = GaussianNB(priors=np.full(present, 1 / present), var_smoothing=self.smoothing)
        classifier.fit(pixel_features(data.images.cpu().numpy())[known], labels[known])
        model = PixelModel(classifier, classes)
        progress(steps)
        return Member(model, None if validate is None else validate(model), steps)

    def restore(self, state: Mapping[str, Any], channels: int, classes: int, device: str) -> PixelModel:
        """See :class:`Trainer`."""
        classifier = GaussianNB()
        for name in FITTED:
            setattr(classifier, name, state[name].numpy())
        return PixelModel(classifier, classes)
