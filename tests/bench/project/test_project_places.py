"""Where the folders of a project may lie, and how they are named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.project.annotators import annotate
from tests.bench.project.command_line import ok, refused, sets
from tests.bench.project.conftest import CLASSES, FAST, truth_of

HERE = "Käse und Brot"
SCANS = "scäns ü"


@pytest.fixture
def home(folders: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with a copy of the scans that nobody may write to."""
    scans = tmp_path / HERE / SCANS
    shutil.copytree(folders / "scans", scans)
    for path in scans.iterdir():
        path.chmod(0o444)
    scans.chmod(0o555)
    yield tmp_path / HERE
    for path in tmp_path.rglob(SCANS):
        path.chmod(0o755)  # so that pytest can delete it


def options(images: str | Path) -> list[str | Path]:
    own = ["--recipe", "random", "--batch", "4", *sets(*FAST)]
    return ["--images", images, "--classes", ",".join(CLASSES), *own]


def test_relative_paths_links_and_moves(
    home: Path, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    ok("new", "liver", *options(SCANS))
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(home, target_is_directory=True)
    said = ok("next", link / "liver")
    assert f"{link / 'liver' / 'round_01'}: 4 slices" in said
    assert "not there yet" in refused("next", Path(HERE) / "liver")  # the same project, whatever its path
    annotate(home / "liver" / "round_01", truth_of(folders / "all" / "labels"), "slicer")
    assert "4 of 4 slices are there" in ok("take", link / "liver")
    moved = tmp_path / "öther disk"
    home.rename(moved)
    link.unlink()
    assert "8 masks" in ok("predict", "öther disk/liver")
    assert "round_02: 4 slices" in ok("next", "öther disk/liver", "--copy-images")
    copies = sorted((moved / "liver" / "round_02" / "images").iterdir())
    assert copies and all(path.read_bytes() == (moved / SCANS / path.name).read_bytes() for path in copies)
    annotate(moved / "liver" / "round_02", truth_of(folders / "all" / "labels"), "itksnap")
    assert "4 of 4 slices are there" in ok("take", "öther disk/liver")
    assert "8 slices of" in ok("export", "öther disk/liver")


def test_a_project_among_its_scans_is_refused(home: Path, folders: Path, tmp_path: Path) -> None:
    said = refused("new", home / SCANS / "liver", *options(home / SCANS))
    assert "among the scans" in said and f"such as {home / 'liver'}" in said
    assert not (home / SCANS / "liver").exists()
    val = tmp_path / "val"
    shutil.copytree(folders / "val", val)
    inside = val / "labels" / "mine"
    assert "among the scans" in refused("new", inside, *options(home / SCANS), "--validation", val)
    assert not inside.exists()


@pytest.mark.parametrize("command", ["predict", "export"])
def test_nothing_is_written_among_the_scans(command: str, home: Path) -> None:
    ok("new", home / "liver", *options(home / SCANS))
    for place in (home / SCANS, home / SCANS / "masks"):
        said = refused(command, home / "liver", "--to", place)
        assert "among the scans" in said and "choose another folder" in said
    assert {path.name for path in (home / SCANS).iterdir() if path.is_dir()} == set()


def test_one_patient_has_nobody_to_be_judged_on(home: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = min((home / SCANS).iterdir())
    shutil.copy(first, tmp_path / "one")
    said = ok("new", tmp_path / "liver", *options(tmp_path / "one"))
    assert "1 scan of 1 patient with 17 slices" in said
    assert "no Dice can be told" in said and "--validation DIR" in said
    assert "judged by cross-validation" not in said
    many = refused("new", tmp_path / "other", *options(tmp_path / "one"), "--batch", "18")
    assert "a round of 18 slices was asked for, and the scans have 17; lower --batch" in many
    assert "17 slices of 1 scan" in ok(
        "next", tmp_path / "liver", "--batch", "40"
    )  # what is left, as the pool has no more
