from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from alseg_core.data.slices import Slices, SliceTable
from bench.cli import main
from bench.datasets.group_statistics import deviations, statistic


def test_against_pairs() -> None:
    rng = np.random.default_rng(0)
    volume, z = np.array([2, 0, 1, 0, 2, 1, 0, 3]), np.array([1, 2, 0, 0, 0, 1, 1, 0])
    table = SliceTable(("a.1", "a.2", "b.1", "c.1"), ("a", "a", "b", "c"), volume, z)
    pixels = rng.random((8, 1, 4, 4)).astype(np.float32)
    found = deviations(Slices(table, pixels, np.arange(8)))

    def pairs(members: list[int]) -> float:
        return float(np.mean([np.abs(pixels[i] - pixels[j]).mean() for i, j in itertools.combinations(members, 2)]))

    assert found["all"] == pytest.approx(pairs(list(range(8))), rel=1e-5)
    assert found["patient"] == pytest.approx(np.mean([pairs([1, 2, 3, 5, 6]), pairs([0, 4])]), rel=1e-5)
    assert found["volume"] == pytest.approx(np.mean([pairs([1, 3, 6]), pairs([2, 5]), pairs([0, 4])]), rel=1e-5)
    assert found["adjacent"] == pytest.approx(
        np.mean([pairs([3, 6]), pairs([6, 1]), pairs([2, 5]), pairs([4, 0])]), rel=1e-5
    )


def test_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["data", "groups", "phantom", "--preset", "quick", "--out", str(tmp_path)])
    assert result.exit_code == 0 and result.output.startswith("phantom, 1512 slices: all 0.")


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="ALSEG_ACDC, the folder of the ACDC scans, is not set")
def test_acdc_has_the_published_statistic(tmp_path: Path) -> None:
    count, values = statistic("acdc", os.environ["ALSEG_ACDC"], "paper", tmp_path)
    assert count == 1454
    published = {"all": 0.217, "patient": 0.159, "volume": 0.166, "adjacent": 0.115}  # Vepa et al., NeurIPS 2024
    assert values == pytest.approx(published, abs=0.0015)
