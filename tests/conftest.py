"""Settings of a phantom on which whole experiments run in seconds, and a disk that is easily filled."""

from __future__ import annotations

import copy
import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alseg_core.config import RunConfig
from alseg_core.errors import MissingPackageError
from alseg_core.models import SegmentationModule, timm_encoder
from alseg_core.training import NetworkTrainer
from alseg_core.training.member import Member

torch.set_num_threads(1)

TINY: dict[str, Any] = {
    "dataset": {
        "name": "tiny",
        "reader": {"name": "phantom", "patients": 6, "size": 48},
        "classes": ["background", "wall", "cavity", "nodule"],
        "prepare": {"size": 16},
        "split": {"name": "stratified", "train": 0.5, "val": 0.25, "test": 0.25},
    },
    "recipe": {"name": "random", "strategy": "random"},
    "annotation": "scribble",
    "budgets": [3, 6, 8],
    "train": {
        "network": {"name": "unet_dual", "widths": [4, 8], "dropouts": [0.1, 0.2]},
        "loss": "dmpls",
        "iterations_full": 60,
        "validate_every": 5,
    },
}


def network_trainer(config: RunConfig) -> NetworkTrainer:
    """The trainer of a run that trains a torch network."""
    assert isinstance(config.train, NetworkTrainer)
    return config.train


def network_of(member: Member) -> SegmentationModule:
    """The trained torch network of a member."""
    assert isinstance(member.network, SegmentationModule)
    return member.network


@pytest.fixture(scope="session")
def timm() -> Any:
    """The package timm; without it, or with a torchvision of another build than torch, the test is skipped."""
    try:
        timm_encoder.version()
    except MissingPackageError as error:
        pytest.skip(str(error))
    return importlib.import_module("timm")


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Settings of a run that takes about a second; a copy to change."""
    return copy.deepcopy(TINY)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Mount point of a file system that holds ``DISK_MB`` megabytes, a constant of the test module."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small disk needs root")
    size = f"size={request.module.DISK_MB}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
