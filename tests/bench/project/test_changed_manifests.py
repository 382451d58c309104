"""A manifest that somebody has changed decides nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alseg_core.errors import ResultsError
from bench.project.ask import ask
from bench.project.create import new_project
from bench.project.project import Project
from bench.project.take import take
from tests.bench.project.annotators import annotate
from tests.bench.project.conftest import FAST, truth_of, wishes


@pytest.fixture(scope="module")
def asked(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that waits for its first round."""
    folder = tmp_path_factory.mktemp("manifests") / "liver"
    project, _ = new_project(folder, wishes(folders, recipe="random", validation=None, settings=FAST))
    ask(project)
    return project


@pytest.fixture
def project(asked: Project, tmp_path: Path) -> Project:
    shutil.copytree(asked.folder, tmp_path / "liver")
    return Project.open(tmp_path / "liver")


def swapped(content: dict[str, Any]) -> None:
    content["classes"][1:3] = reversed(content["classes"][1:3])


def renumbered(content: dict[str, Any]) -> None:
    content["values"] = [0, 2, 1, 3]


def other_kind(content: dict[str, Any]) -> None:
    content["kind"] = "scribble"


def moved(content: dict[str, Any]) -> None:
    content["scans"][0]["affine"][0][3] += 10


def mirrored(content: dict[str, Any]) -> None:
    content["scans"][0]["axes"]["flipped"] = [True, False, False]


def another_slice(content: dict[str, Any]) -> None:
    content["slices"][0]["z"] += 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swapped, r"it has classes \('background', 'cavity', 'wall', 'nodule'\) instead of"),
        (renumbered, r"it has values \(0, 2, 1, 3\) instead of \(0, 1, 2, 3\)"),
        (other_kind, "it has kind 'scribble' instead of 'mask'"),
        (moved, "the grid of phantom"),
        (mirrored, "the grid of phantom"),
        (another_slice, "it asks for other slices"),
    ],
)
def test_a_changed_manifest_is_refused(project: Project, change: Callable[[dict[str, Any]], None], words: str) -> None:
    path = project.round_folder(0) / "manifest.json"
    before = path.read_bytes()
    content = json.loads(before)
    change(content)
    path.write_text(json.dumps(content))
    for command in (take, ask):
        with pytest.raises(ResultsError, match=rf"manifest.json was changed: {words}") as refused:
            command(project)
    copy = Path(str(refused.value).rpartition("its copy, ")[2])
    assert copy.read_bytes() == before  # what the message says helps
    shutil.copy(copy, path)
    assert take(project).missing == 5


def test_estimates_and_layout_may_change(project: Project, folders: Path) -> None:
    path = project.round_folder(0) / "manifest.json"
    content = json.loads(path.read_text())
    for entry in content["slices"]:
        entry |= {"minutes": 99.0, "why": "because"}
    path.write_text(json.dumps(content).replace(", ", ",\r\n"))
    annotate(project.round_folder(0), truth_of(folders / "all" / "labels"), "itksnap")
    assert take(project).missing == 0


def test_a_copy_that_is_lost_is_said(project: Project) -> None:
    (project.folder / "asked" / "round_01" / "manifest.json").unlink()
    with pytest.raises(ResultsError, match=r"asked/round_01/manifest.json is missing, .*; put it back"):
        take(project)
