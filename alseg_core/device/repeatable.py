"""Reproducible results from the same seed, also on a GPU."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def repeatable() -> AbstractContextManager[None]:
    """Return a context in which cuDNN uses deterministic algorithms only, and full float32 instead of TF32."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
