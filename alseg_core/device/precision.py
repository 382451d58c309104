"""Arithmetic of networks in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""Arithmetic of forward and backward passes; weights, losses and optimisers are always float32. "auto": bfloat16 on a
GPU that supports it, else float32."""


def computed(precision: str, device: str, supported: Callable[[], bool] = lambda: True) -> str:
    """Resolve ``precision`` on a device to "float32" or "bfloat16".

    device: "cpu" or "cuda[:n]". supported: whether the GPU supports bfloat16; assumed if the GPU is not at hand, as in
    a report of earlier runs.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if device.startswith("cuda") and supported() else "float32"


def resolved(precision: Precision, device: torch.device) -> str:
    """Resolve ``precision`` on a device of this machine to "float32" or "bfloat16"."""
    return computed(precision, device.type, lambda: torch.cuda.is_bf16_supported(including_emulation=False))


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context in which networks on the device compute in this precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=resolved(precision, device) == "bfloat16")
