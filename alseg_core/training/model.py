"""A trained model, whatever trained it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from alseg_core.models import SegmentationModule
from alseg_core.models.folding import folded


class Model(Protocol):
    """What a training leaves: scores of every class at every pixel of a slice.

    Every :class:`alseg_core.models.SegmentationModule` is one. Dropout passes, features of slices and pixels and kept
    networks need a SegmentationModule; all else works with any model.
    """

    @property
    def window(self) -> int | None:
        """None for a model of single slices; a volumetric one takes one volume at a time, in order of z."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Return scores (B, K, H, W) of images (B, C, H, W) on their device; their softmax is the class probabilities.

        A torch network gets the images on its own device.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain data from which the trainer's ``restore`` makes an equal model."""
        ...


def device_of(model: Model, images: Tensor) -> torch.device:
    """Return the device on which a model takes images: that of its weights, else that of the images."""
    weights = model.parameters() if isinstance(model, nn.Module) else ()
    return next((weight.device for weight in weights), images.device)


def for_inference(model: Model, device: str | torch.device) -> Model:
    """Return the model on ``device``, a torch network with its batch norms folded; the given one is left as it is."""
    return folded(model).to(device) if isinstance(model, SegmentationModule) else model
