"""Which code and which machine a run was made by."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from alseg_core import __version__
from alseg_core.vocabulary import RoundRecord

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "nibabel",
    "monai",
    "faiss-cpu",
    "faiss-gpu-cu12",
)
"""Packages whose versions are recorded where they are installed."""


@cache
def code() -> dict[str, str | None]:
    """Return the version (``alseg``) and the ``commit`` of the git checkout.

    The commit ends in "-dirty" where files were changed, and is None outside a checkout.
    """
    commit = None
    root = Path(__file__).parent.parent
    if (root / ".git").exists():
        with suppress(OSError, subprocess.SubprocessError):
            command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
            commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return {"alseg": __version__, "commit": commit}


def surroundings(device: str) -> dict[str, Any]:
    """Return code, Python, machine, versions of packages, device and GPU of this process."""
    installed = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            installed[package] = metadata.version(package)
    return {
        **code(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": installed,
        "device": device,
        "gpu": _gpu(device),
    }


def maker(device: str) -> dict[str, str | None]:
    """Return what makes a round in this process: version, commit, version of torch, and the GPU or else the device."""
    return {**code(), "torch": metadata.version("torch"), "device": _gpu(device) or device}


def maker_of(record: RoundRecord | None, environment: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what made a round, as :func:`maker` does; None where it is not known.

    record: None for a run without rounds. environment: content of the run's environment.json, which describes rounds of
    older versions.
    """
    if record is not None and record.made_by:
        return record.made_by
    return {
        "alseg": environment.get("alseg"),
        "commit": environment.get("commit"),
        "torch": environment.get("packages", {}).get("torch"),
        "device": environment.get("gpu") or environment.get("device"),
    }


def changes(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> list[str]:
    """Return what differs between two makers, such as "commit 1f3a to 9c2e"; nothing that one of them does not know."""
    return [
        f"{what} {old} to {new}"
        for what, old in before.items()
        if None not in (old, new := now.get(what)) and old != new
    ]


def _gpu(device: str) -> str | None:
    return torch.cuda.get_device_name() if device.startswith("cuda") else None
