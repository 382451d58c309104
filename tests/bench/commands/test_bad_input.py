"""Broken scans end the command with one clear message, before any training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from tests.data.conftest import edit, write_acdc

__all__ = ["edit", "write_acdc"]  # fixtures

SCAN = "database/training/patient002/patient002_frame01"


def bench(root: Path, out: Path, *settings: str) -> str:
    pairs = ["datasets=acdc", f"data={root}", "recipes=random", *(settings or ("split=random",))]
    command = ["bench", "quick", "--local", "--out", str(out), *(word for pair in pairs for word in ("--set", pair))]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 2 and result.stderr.startswith("error: ") and "Traceback" not in result.output
    assert not list(out.rglob("rounds.jsonl")) and not list(out.rglob("config.json"))
    return result.stderr


@pytest.mark.parametrize(
    ("suffix", "change", "message"),
    [
        ("", lambda image: np.where(image == image.max(), np.nan, image.astype(np.float32)), "NaN"),
        ("_gt", lambda labels: labels[:, :-1], "shape"),
        ("_gt", lambda labels: np.where(labels == 3, np.uint8(9), labels), "unknown label value 9"),
    ],
)
def test_a_bad_scan_is_named(
    suffix: str,
    change: Callable[[np.ndarray], np.ndarray],
    message: str,
    tmp_path: Path,
    write_acdc: Callable[..., Path],
    edit: Callable[..., None],
) -> None:
    root = write_acdc(tmp_path / "data", patients=10)
    edit(root / f"{SCAN}{suffix}.nii.gz", change)
    said = bench(root, tmp_path / "out")
    assert f"{SCAN}{suffix}.nii.gz" in said and message in said


def test_a_truncated_scan_is_named(tmp_path: Path, write_acdc: Callable[..., Path]) -> None:
    root = write_acdc(tmp_path / "data", patients=10)
    path = root / f"{SCAN}.nii.gz"
    path.write_bytes(path.read_bytes()[:1500])
    assert f"{SCAN}.nii.gz" in bench(root, tmp_path / "out")


def test_the_paper_split_without_the_testing_folder(tmp_path: Path, write_acdc: Callable[..., Path]) -> None:
    root = write_acdc(tmp_path / "data", patients=10)
    said = bench(root, tmp_path / "out", "preset=paper")
    assert "patient101" in said and "Splits of acdc: paper, stratified, random (--set split=NAME)" in said


def test_a_budget_larger_than_the_pool(tmp_path: Path, write_acdc: Callable[..., Path]) -> None:
    root = write_acdc(tmp_path / "data", patients=10)
    said = bench(root, tmp_path / "out", "split=random", "schedules.much=[5, 5000]")
    assert "5000 slices, more than the" in said


def test_a_split_that_cannot_be_is_said_before_any_scan_is_read(
    write_acdc: Callable[..., Path], tmp_path: Path
) -> None:
    root = write_acdc(tmp_path / "data")
    message = bench(root, tmp_path / "out", "split=paper")
    assert "val lacks 20 of 20 patients" in message and "--set split=NAME" in message
    assert not list((tmp_path / "out").rglob("images.npy"))


def test_budgets_of_a_study_are_named_schedules(study_file: Path, tmp_path: Path) -> None:
    command = ["bench", str(study_file), "--out", str(tmp_path / "out"), "--set", "budgets=[0.1]"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "--set schedules.mine=[0.1,0.2]" in result.output
    assert not (tmp_path / "out").exists()


def test_the_quick_split_means_the_same_patients_whatever_is_in_the_folder(
    tmp_path: Path, write_acdc: Callable[..., Path]
) -> None:
    said = bench(write_acdc(tmp_path / "data", patients=10), tmp_path / "out", "split=stratified")
    assert "the draw lacks 90 of 100 patients (patient011, patient012, patient013, patient014 ... patient100)" in said
