"""Weights of an encoder from a file of any training code."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from alseg_core.errors import ConfigError

FIRST = "layer1.0.conv1.weight"
"""A parameter of every ResNet; what precedes it in a name is the prefix of the encoder in a file."""
STAGES = ("conv1.", "bn1.", "layer")
"""Prefixes of the parameters of a ResNet; a file may hold others, for example a classifier."""
UNREADABLE = (
    *(OSError, RuntimeError, ValueError, EOFError, LookupError, AttributeError, TypeError, AssertionError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, struct.error),
)
"""What reading a file that holds no weights may raise: torch takes any bytes for a pickle."""


def read_resnet(path: Path, own: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Read the parameters of a ResNet from a ``.pth`` file, under the names of ``own``, which are torchvision's.

    A prefix of all names (``module.``, ``backbone.``, ``encoder.``, ...) and one enclosing mapping (``{"state_dict":
    ...}``) are removed; heads are dropped. If ``own`` has one image channel and the file has more, the first filters
    are summed over them, which equals showing a grey image in every colour. what: for example "ResNet-50". Raises
    ConfigError: no such file, no weights, another network.
    """
    try:
        return _fitting(_flat(torch.load(path, map_location="cpu", weights_only=True)), own, what)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ConfigError(
            f"network: {what} weights wanted from {path}, not usable: {reason}. Give the path of a .pth file with a "
            f"{what} state_dict as the network's weights (--set train.mask.network.weights=FILE), or null to start "
            "from random ones."
        ) from None


def content(path: Path) -> str:
    """Return an identity of a file's content: "sha256 " and 16 hex digits, or its name if it cannot be read.

    A file is read again only after it changed.
    """
    try:
        return f"sha256 {_digest(path, _written(path))}"
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return path.name


def _written(path: Path) -> tuple[int, ...]:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@functools.lru_cache(maxsize=16)
def _digest(path: Path, _stamp: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _flat(loaded: object) -> dict[str, Tensor]:
    """Return name -> tensor of a state_dict, or of the one inside a checkpoint."""
    if isinstance(loaded, Mapping):
        for candidate in (loaded, *(value for value in loaded.values() if isinstance(value, Mapping))):
            found = {str(name): value for name, value in candidate.items() if isinstance(value, Tensor)}
            if any(name.endswith(FIRST) for name in found):
                return found
    raise ValueError(f"it holds no state_dict of a ResNet ({FIRST} is missing)")


def _fitting(state: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    prefixes = sorted({name.removesuffix(FIRST) for name in state if name.endswith(FIRST)})
    if len(prefixes) > 1:
        raise ValueError(f"it holds several ResNets, under {', '.join(map(repr, prefixes))}; keep one")
    named = {name.removeprefix(prefixes[0]): value for name, value in state.items() if name.startswith(prefixes[0])}
    found = {name: value for name, value in named.items() if name.startswith(STAGES)}
    first = found.get("conv1.weight")
    if first is not None and own["conv1.weight"].shape[1] == 1 and first.ndim == 4:
        found["conv1.weight"] = first.sum(dim=1, keepdim=True)
    check_fit(found, own, what)
    return found


def check_fit(found: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str, absent: Collection[str] = ()) -> None:
    """Raise ValueError unless ``found`` holds all parameters of ``own`` in their shapes, and no others.

    absent: names that may be missing, besides batch counts, which files older than torch 0.4.1 lack.
    """
    optional = {name for name in own if name.endswith("num_batches_tracked")}.union(absent)
    wrong = [f"{name} is missing" for name in own if name not in found and name not in optional]
    wrong += [f"{name} is unknown" for name in found if name not in own]
    wrong += [
        f"{name} has shape {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in found.items()
        if name in own and value.shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"it is no {what}: {'; '.join(wrong[:3])}{more}")
