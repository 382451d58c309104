"""Slices that a report shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.evaluate import examples
from alseg_core.models import SegmentationModule
from alseg_core.oracles.vault import Vault
from alseg_core.store import Store
from tests.data.test_davis import write_sequence


class Nothing(SegmentationModule):
    """Background everywhere."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.ones_like(images[:, 0]), torch.zeros_like(images[:, 0])], dim=1)


def test_colour_slices_are_shown_as_the_mean_of_their_channels(tmp_path):
    for name in ("a", "b"):
        write_sequence(tmp_path / "DAVIS", name)
    plan = Prepare(window_hu=(0, 255), normalise="minmax", crop_fraction=1.0, size=24)
    folder = prepare(READERS.build("davis"), tmp_path, plan, Store(tmp_path / "store"))
    prepared = Prepared.open(folder)
    found = examples(Nothing(), prepared, ["a", "b"], Vault(folder, prepared), "cpu", count=2)
    assert prepared.base.shape[1] == 3 and found["image"].shape == (2, 24, 24)
    for image, case, z in zip(found["image"], found["case"], found["z"], strict=True):
        base = prepared.slices([str(case)]).images(np.array([z]))[0]
        np.testing.assert_allclose(image, (base[0] + base[1] + base[2]) / 3, atol=1e-6)
        assert np.abs(image - base[0]).max() == pytest.approx(0.5, abs=0.25)  # red alone is another picture
