"""Masks that exist before a project starts: what is said about them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from alseg_core.errors import ConfigError, DataError
from bench.project.create import new_project
from tests.bench.project.conftest import FAST, truth_of, wishes


def test_notes_on_background_and_positions_are_told(folders: Path, tmp_path: Path) -> None:
    truth, masks = truth_of(folders / "all" / "labels"), tmp_path / "masks"
    masks.mkdir()
    first, second = sorted(path.name for path in (folders / "scans").iterdir())[:2]
    drawn, whole = truth[first[:-7]], truth[second[:-7]]
    slices = np.flatnonzero((drawn > 0).any(axis=(0, 1)))[:3]
    few = np.zeros_like(drawn)
    few[:, :, slices] = drawn[:, :, slices]
    shifted = nib.load(folders / "scans" / first).affine.copy()
    shifted[:3, 3] += 0.2 * shifted[:3, 2]
    nib.save(nib.Nifti1Image(few, shifted), masks / first)
    nib.save(nib.Nifti1Image(whole, np.eye(4)), masks / second)  # tells no position, and its scan has one
    wanted = wishes(folders, recipe="random", validation=None, given=masks, settings=FAST)
    with pytest.raises(DataError, match=rf"{second}: its header tells no position.*--by-voxels") as refused:
        new_project(tmp_path / "liver", wanted)
    assert first not in str(refused.value) and not (tmp_path / "liver").exists()
    wanted = wishes(folders, recipe="random", validation=None, given=masks, settings=FAST, by_voxels=True)
    _, lines = new_project(tmp_path / "liver", wanted)
    depth, said = drawn.shape[2], "\n".join(lines)
    assert f"note: {first[:-7]}: {depth - 3} of {depth} slices hold nothing but background" in said
    assert "trained on as background" in said and f"note: {first}: its voxels lie up to 0.2 voxels" in said
    assert f"note: {second}: header tells no position; it was taken voxel by voxel" in said


def test_by_voxels_needs_masks(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--by-voxels is about the masks in --given"):
        new_project(tmp_path / "liver", wishes(folders, by_voxels=True))
