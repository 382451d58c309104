"""The main job on each dataset's own layout, split and preparation, scaled down."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from alseg_core.results import RunFolder
from bench.cli import main
from tests.data.test_chaos import write_case

SMALL = (
    "seeds=1", "annotations=mask", "schedules.default=[3,6]", "train.mask.iterations_full=40",
    "train.mask.network={name: unet, widths: [4, 8], dropouts: [0, 0]}",
    "components.contrastive={image_size: 16, epochs: 1}", "recipes=random gcl_coreset_volume",
)  # fmt: skip


def run(dataset: str, folder: Path, out: Path, *settings: str) -> str:
    arguments = [
        "bench",
        "quick",
        "--local",
        "--out",
        str(out),
        "--set",
        f"datasets={dataset}",
        "--set",
        f"data={folder}",
    ]
    for setting in (*SMALL, *settings):
        arguments += ["--set", setting]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def finished(out: Path) -> dict[str, list[dict[str, object]]]:
    """Recipe -> rows of test volumes of the last round."""
    index = json.loads((out / "quick" / "study.json").read_text())
    return {r["recipe"]: RunFolder(out / "quick" / "runs" / r["key"]).records()[-1].volumes for r in index["runs"]}


def test_chaos_in_its_layout_with_the_published_split(tmp_path: Path) -> None:
    ids = [1, 2, 5, 6, 8, 10, 14, 16, 18, 19, *range(21, 31)]
    for number in ids:
        names = ("philips", "osirix")[number % 2]
        write_case(
            tmp_path / "data" / "Train_Sets" / "CT" / str(number), names, intercept=(-1000, -1024, 0)[number % 3]
        )
    run("chaos", tmp_path / "data", tmp_path / "out")
    volumes = finished(tmp_path / "out")
    assert set(volumes) == {"random", "gcl_coreset_volume"}
    assert all({row["case"] for row in rows} == {"ct_08", "ct_22", "ct_24"} for rows in volumes.values())
    report = (tmp_path / "out" / "quick" / "report" / "comparison.md").read_text()
    assert "- chaos: Kavur et al." in report and "- gcl_coreset_volume: Vepa et al." in report


def test_chaos_without_data_says_how_to_fetch_them(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "quick", "--set", "datasets=chaos", "--out", str(tmp_path)])
    assert result.exit_code == 2 and "alseg data fetch chaos" in result.stderr and "DICOM_anon" in result.stderr


@pytest.mark.real_data
def test_davis_real_sequences(tmp_path: Path) -> None:
    folder = os.environ.get("ALSEG_DAVIS")
    if not folder:
        pytest.skip("ALSEG_DAVIS names no folder with real DAVIS sequences")
    run("davis", Path(folder), tmp_path, "split=random")
    assert set(finished(tmp_path)) == {"random", "gcl_coreset_volume"}
