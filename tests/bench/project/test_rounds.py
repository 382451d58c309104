"""Whole projects: the same picks and scores as in the benchmark, whatever program annotators use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from alseg_core import loop
from alseg_core.data.readers import READERS
from alseg_core.errors import ConfigError, ResultsError, SplitError
from alseg_core.store import Store
from alseg_core.vocabulary import RoundRecord
from bench.project.ask import ask
from bench.project.create import Wishes, new_project
from bench.project.project import Project
from bench.project.rounds import State, train
from bench.project.take import take
from bench.study import Study
from tests.bench.project.annotators import Truth, annotate
from tests.bench.project.conftest import CLASSES, FAST, SMALL, truth_of, wishes

PROGRAMS = ("itksnap", "slicer", "mitk")


def work(project: Project, truth: Truth, programs: Sequence[str]) -> Sequence[RoundRecord]:
    """Go through rounds as people would."""
    for program in programs:
        ask(project)
        folder = project.round_folder(State.of(project).pending.round)
        annotate(folder, truth, program)
        assert take(project).problems == ()
    return train(project)


def benchmark(
    dataset: Path, data: Path, project: Project, recipe: str, settings: Sequence[str], out: Path
) -> list[RoundRecord]:
    """The run of ``alseg bench`` with the same seed and settings."""
    study = Study.load(
        {
            "name": "same",
            "datasets": [str(dataset)],
            "recipes": [recipe],
            "annotations": ["mask"],
            "schedules": {"project": [5, 10, 15]},
            "seeds": [0],
            "data": str(data),
        },
        settings,
    )
    (config,) = study.runs()
    return loop.run(config, out / "run", Store(out / "store"))


def same(ours: Sequence[RoundRecord], theirs: Sequence[RoundRecord]) -> None:
    assert [record.selected for record in ours] == [record.selected for record in theirs]
    assert [record.members for record in ours] == [record.members for record in theirs]
    assert [record.cover_radius for record in ours] == [record.cover_radius for record in theirs]
    assert len(ours) == 3


@pytest.mark.parametrize(
    "recipe",
    ["entropy", *(pytest.param(name, marks=pytest.mark.slow) for name in ("random", "gcl_coreset"))],
)
def test_the_same_picks_as_the_benchmark(recipe: str, folders: Path, tmp_path: Path) -> None:
    project, _ = new_project(tmp_path / "liver", wishes(folders, recipe=recipe))
    ours = work(Project.open(tmp_path / "liver"), truth_of(folders / "all" / "labels"), PROGRAMS)
    content = yaml.safe_load((tmp_path / "liver" / "dataset.yaml").read_text())
    content |= {"name": "all", "reader": {"name": "nifti_folder", "labels": [0, 1, 2, 3]}}
    train_, val, test = (["phantom001..phantom004"], ["phantom005"], ["phantom006"])
    content["splits"] = {"project": {"name": "patients", "train": train_, "val": val, "test": test}}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(content))
    theirs = benchmark(tmp_path / "all.yaml", folders / "all", project, recipe, SMALL, tmp_path)
    same(ours, theirs)
    assert len({str(record.members) for record in ours}) == 3  # there is something to compare


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(3000)
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="set ALSEG_ACDC to the folder of the ACDC data")
@pytest.mark.parametrize("recipe", ["random", "entropy", "gcl_coreset"])
def test_the_same_picks_on_acdc_with_hidden_masks(recipe: str, tmp_path: Path) -> None:
    settings = (
        "train.mask.iterations_full=600",
        "train.mask.iterations_least=60",
        "components.contrastive={init: random, epochs: 1}",
        "split.patients=[patient001..patient020]",
        "split.by=null",
    )
    data = Path(os.environ["ALSEG_ACDC"])
    wanted = Wishes(kind="mask", recipe=recipe, batch=5, planned=3, dataset="acdc", data=str(data), settings=settings)
    project, _ = new_project(tmp_path / "heart", wanted)
    truth: dict[str, np.ndarray] = {}
    for path in data.rglob("*_gt.nii.gz"):
        truth[path.name.removesuffix("_gt.nii.gz")] = np.asanyarray(nib.load(path).dataobj).astype(np.uint8)
    cases = {ref.case: ref.files["image"].name.removesuffix(".nii.gz") for ref in READERS.build("acdc").scan(data)}
    ours = work(project, {case: truth[stem] for case, stem in cases.items() if stem in truth}, PROGRAMS)
    study: dict[str, Any] = {
        "name": "same",
        "datasets": ["acdc"],
        "recipes": [recipe],
        "annotations": ["mask"],
        "seeds": [0],
    }
    study |= {"schedules": {"project": [5, 10, 15]}, "data": str(data)}
    (config,) = Study.load(study, settings).runs()
    same(ours, loop.run(config, tmp_path / "run", Store(tmp_path / "store")))


def test_partial_returns_wait_and_can_be_left_out(folders: Path, tmp_path: Path) -> None:
    project, _ = new_project(tmp_path / "liver", wishes(folders, recipe="random", validation=None))
    truth = truth_of(folders / "all" / "labels")
    ask(project)
    annotate(project.round_folder(0), truth, "itksnap", leave_out=2)
    receipt = take(project)
    assert receipt.missing == 2
    assert "3 of 5 slices are there" in receipt.lines[0]
    assert train(project) == []
    with pytest.raises(ResultsError, match=r"2 of 5 slices of .*round_01 are not there yet"):
        ask(project)
    asked = State.of(project).pending.selected
    ask(project, without_missing=True)
    (record,) = project.results.records()
    assert record.selected == asked[:3]
    assert record.signals["declined"] == asked[3:]
    assert record.labelled == 3
    assert len(State.of(project).pending.selected) == 5


def test_a_correction_counts_from_the_next_round_on(folders: Path, tmp_path: Path) -> None:
    """Corrected labels train the network that labels that were right from the start train."""
    truth = truth_of(folders / "all" / "labels")
    wrong = {case: np.where(labels == 3, 2, 1).astype(labels.dtype) for case, labels in truth.items()}
    wanted = wishes(folders, recipe="random", validation=None, batch=4, settings=FAST)
    first, second = {}, {}
    for name, drawn in (("right", truth), ("mended", wrong)):
        project, _ = new_project(tmp_path / name, wanted)
        (record,) = work(project, drawn, ["itksnap"])
        first[name] = weights(project.results.load_state(record))
        before = project.returned.latest()
        if name == "mended":
            annotate(project.round_folder(0), truth, "itksnap")
            receipt = take(project)
            assert any("the change counts from the next training on" in line for line in receipt.next)
            assert len(project.returned.history()) == 2 * len(before)  # the former labels are kept
            assert len(list((project.folder / "returns").iterdir())) == 2
        records = work(project, truth, ["slicer"])
        second[name] = weights(project.results.load_state(records[1]))
    assert first["right"] and first["mended"] != first["right"]
    assert second["mended"] == second["right"] != first["right"]


def weights(state: Any) -> list[list[float]]:
    """All numbers of networks, tensor by tensor."""
    if isinstance(state, torch.Tensor):
        return [state.double().flatten().tolist()]
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return [numbers for part in inner for numbers in weights(part)]


def test_a_cut_off_next_is_completed_with_the_same_slices(folders: Path, tmp_path: Path) -> None:
    project, _ = new_project(tmp_path / "liver", wishes(folders, recipe="random"))
    ask(project)
    first = (project.round_folder(0) / "manifest.json").read_text()
    shutil.rmtree(project.round_folder(0))
    ask(project)
    assert (project.round_folder(0) / "manifest.json").read_text() == first


def test_masks_that_exist_are_the_first_labels(folders: Path, tmp_path: Path) -> None:
    truth = truth_of(folders / "all" / "labels")
    masks = tmp_path / "masks"
    case = sorted(path.name[:-7] for path in (folders / "scans").iterdir())[2]
    image = nib.load(folders / "scans" / f"{case}.nii.gz")
    known = np.full(image.shape, 255, np.uint8)
    known[:, :, 3:6] = truth[case][:, :, 3:6]
    masks.mkdir()
    nib.save(nib.Nifti1Image(known, image.affine), masks / f"{case}.nii.gz")
    project, lines = new_project(tmp_path / "liver", wishes(folders, given=masks, batch=4))
    assert any("given: 3 annotated slices of 1 scans" in line for line in lines)
    ask(project)
    (record,) = project.results.records()
    assert [(entry["case"], entry["z"]) for entry in record.selected] == [(case, 3), (case, 4), (case, 5)]
    assert record.members[0]["validation_dice"] is not None
    assert project.round_folder(1).name == "round_01"
    assert len(State.of(project).pending.selected) == 4


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"images": Path("none")}, r"folder none does not exist"),
        ({"classes": ("background",)}, "name the classes, background first"),
        ({"classes": ("wall", "cavity")}, "the first class is background.*--classes background,wall,cavity"),
        ({"recipe": "oracle_foreground"}, "reads ground truth"),
        ({"recipe": "gcl_coresett"}, "Did you mean 'gcl_coreset'"),
        ({"batch": 5000}, "lower --batch"),
        ({"dataset": "acdc"}, "either --images FOLDER, or --dataset NAME"),
        ({"given_slices": Path("x.csv")}, "--given FOLDER, which is missing"),
        ({"given": Path("none")}, "none does not exist"),
        ({"validation": Path("none")}, "validation scans lie in images/"),
        ({"preset": "quik"}, "Did you mean 'quick'"),
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing(
    wish: dict[str, Any], error: str, folders: Path, tmp_path: Path
) -> None:
    base = {"kind": "mask", "recipe": "random", "batch": 5, "images": folders / "scans", "classes": CLASSES}
    with pytest.raises(Exception, match=error) as raised:
        new_project(tmp_path / "liver", Wishes(**{**base, **wish}))
    assert type(raised.value).__module__.startswith("alseg_core")
    assert not (tmp_path / "liver").exists()


def test_a_patient_to_annotate_who_also_validates_is_refused(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "val", tmp_path / "val")
    for part in ("images", "labels"):
        for path in sorted((tmp_path / "val" / part).iterdir()):
            path.rename(path.with_name(path.name.replace("phantom005", "phantom004_again")))
    named = {"pattern": r"(?P<patient>phantom\d+)_(?P<group>.+)"}
    with pytest.raises(SplitError, match="phantom004: scans of one patient are both to annotate and for validation"):
        new_project(tmp_path / "liver", wishes(folders, validation=tmp_path / "val", reader=named))


def test_a_project_is_not_started_twice(folders: Path, tmp_path: Path) -> None:
    new_project(tmp_path / "liver", wishes(folders, recipe="random"))
    with pytest.raises(ConfigError, match="is a project already"):
        new_project(tmp_path / "liver", wishes(folders, recipe="random"))
    with pytest.raises(ConfigError, match=r"livr is no project.*There is .*liver"):
        Project.open(tmp_path / "livr")
