"""The main job on each dataset's own layout, split and preparation, scaled down."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from alseg_core.results import RunFolder
from bench.cli import main
from bench.study import catalogue, read_yaml
from tests.data.conftest import write_nifti
from tests.data.test_chaos import write_case

SMALL = (
    "seeds=1",
    "schedules.default=[3,6]",
    "components.contrastive={image_size: 16, epochs: 1}",
    "recipes=random gcl_coreset_volume",
)


def run(dataset: str, folder: Path, out: Path, *settings: str, kind: str = "mask") -> str:
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
    train = f"train.{kind}={{iterations_full: 40, network: {{widths: [4, 8], dropouts: [0, 0]}}}}"
    for setting in (*SMALL, f"annotations={kind}", train, *settings):
        arguments += ["--set", setting]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def finished(out: Path) -> dict[str, list[dict[str, object]]]:
    """Recipe -> rows of test volumes of the last round."""
    index = json.loads((out / "quick" / "study.json").read_text())
    return {r["recipe"]: RunFolder(out / "quick" / "runs" / r["key"]).records()[-1].volumes for r in index["runs"]}


@pytest.mark.slow
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


def test_chaos_without_data_says_how_to_fetch_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["bench", "quick", "--set", "datasets=chaos", "--no-download", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "alseg data fetch chaos" in result.stderr and "DICOM_anon" in result.stderr


def scan(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask with classes 0..3 of subject ``number``."""
    mask = np.zeros((4, 24, 28), np.uint8)
    for label in (1, 2, 3):
        mask[:, 6:18, 3 + 5 * label + number % 3 : 8 + 5 * label + number % 3] = label
    noise = np.random.default_rng(number).normal(0, 20, mask.shape)
    return (100.0 * mask + noise).astype(np.float32), mask


@pytest.mark.slow
def test_mscmr_trains_on_scribbles_of_the_prepared_form(tmp_path: Path) -> None:
    """All 45 subjects, where those of the training part have no mask at all."""
    split = read_yaml(catalogue("dataset")["mscmr"])["splits"]["paper"]
    test = [3, 5, 10, 11, 12, 16, 17, 23, 28, 30, 33, 35, 38, 40, 43]
    for number in range(1, 46):
        image, mask = scan(number)
        part = "val" if f"subject{number}" in split["val"] else "TestSet" if number in test else "train"
        base = tmp_path / "data" / "MSCMR_dataset" / part
        for folder in ("images", "labels"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        write_nifti(base / f"images/subject{number}_DE.nii.gz", image, (5.0, 4.0, 4.0))
        marked = np.arange(24)[:, None] % 6 == 2
        kind, labels = ("scribble", np.where(marked, mask, 4).astype(np.uint8)) if part == "train" else ("manual", mask)
        write_nifti(base / f"labels/subject{number}_DE_{kind}.nii.gz", labels, (5.0, 4.0, 4.0))
    assert len(list((tmp_path / "data").rglob("*scribble*"))) == 25
    no_surface = "evaluate.surface=false"  # most of the time, and part of the other studies
    run("mscmr", tmp_path / "data", tmp_path / "out", no_surface, kind="scribble")
    volumes = finished(tmp_path / "out")
    assert set(volumes) == {"random", "gcl_coreset_volume"}
    for rows in volumes.values():
        assert {row["case"] for row in rows} == {f"subject{number}" for number in test}
        assert {row["class"] for row in rows} == {"RV", "myocardium", "LV"}


@pytest.mark.slow
def test_files_of_ones_own_described_by_a_yaml(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for folder in ("images", "labels"):
        (data / folder).mkdir(parents=True)
    for number in range(10):
        for phase in ("a", "b"):
            image, mask = scan(number)
            write_nifti(data / f"images/p{number}_{phase}_0000.nii.gz", image, (8.0, 2.0, 2.0))
            write_nifti(data / f"labels/p{number}_{phase}.nii.gz", (mask > 0).astype(np.uint8) * 255, (8.0, 2.0, 2.0))
    content = read_yaml(catalogue("dataset")["nifti_folder"])
    content["reader"] |= {"values": [0, 255], "unmarked": 7, "pattern": r"(?P<patient>p\d+)_(?P<group>.)_0000"}
    content |= {"name": "mine", "classes": ["background", "heart"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    run(str(tmp_path / "mine.yaml"), data, tmp_path / "out")
    volumes = finished(tmp_path / "out")
    assert set(volumes) == {"random", "gcl_coreset_volume"}
    for rows in volumes.values():
        cases = {str(row["case"]) for row in rows}
        assert cases == {f"{patient}_{phase}" for patient in {case[:2] for case in cases} for phase in "ab"}
        assert {row["class"] for row in rows} == {"heart"}


@pytest.mark.real_data
def test_davis_real_sequences(tmp_path: Path) -> None:
    folder = os.environ.get("ALSEG_DAVIS")
    if not folder:
        pytest.skip("ALSEG_DAVIS names no folder with real DAVIS sequences")
    run("davis", Path(folder), tmp_path, "split=random")
    assert set(finished(tmp_path)) == {"random", "gcl_coreset_volume"}
