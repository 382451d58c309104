"""The same numbers from the same seed, on a GPU too."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def repeatable() -> AbstractContextManager[None]:
    """While it is open cuDNN uses only algorithms that give the same result each time, and full float32 for float32."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
