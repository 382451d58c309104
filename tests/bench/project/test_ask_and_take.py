"""Rounds that go wrong half-way: killed commands, late and corrected labels, and scans that change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from alseg_core.errors import ConfigError, DataError, ResultsError
from bench.project.ask import ask
from bench.project.create import new_project
from bench.project.manifest import Manifest
from bench.project.project import Project
from bench.project.rounds import State, keys, train
from bench.project.take import take
from tests.bench.project.annotators import annotate
from tests.bench.project.conftest import truth_of, wishes


@pytest.fixture
def truth(folders: Path) -> dict[str, np.ndarray]:
    return truth_of(folders / "all" / "labels")


@pytest.fixture
def project(folders: Path, tmp_path: Path) -> Project:
    """A project whose slices are drawn at random, five a round."""
    wanted = wishes(folders, recipe="random", validation=None)
    return new_project(tmp_path / "liver", wanted)[0]


def answer(project: Project, truth: dict[str, np.ndarray], **others: Any) -> None:
    """Ask for a round and give all of it."""
    ask(project, **others)
    annotate(project.round_folder(State.of(project).pending.round), truth, "itksnap")
    assert take(project).missing == 0


@pytest.mark.parametrize("lost", ["worklist.csv", "segmentations", "contact_sheet.html", "itksnap/labels.txt"])
def test_a_round_that_was_cut_off_is_completed(lost: str, project: Project) -> None:
    ask(project)
    folder = project.round_folder(0)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    path = folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "5 slices of" in ask(project)[0]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with pytest.raises(ResultsError, match="5 of 5 slices"):
        ask(project)


def test_scans_can_be_copied_into_a_round_later(project: Project) -> None:
    ask(project)
    ask(project, copy_images=True)
    assert list((project.round_folder(0) / "images").iterdir())


def test_an_earlier_round_is_corrected_while_a_later_one_is_out(project: Project, truth: dict[str, np.ndarray]) -> None:
    answer(project, truth)
    ask(project)
    assert take(project, number=1).next[0] == "the round is complete, and was trained on already"
    annotate(project.round_folder(0), {case: np.ones_like(labels) for case, labels in truth.items()}, "itksnap")
    receipt = take(project, number=1)
    assert receipt.missing == 0 and "5 of these corrected" in receipt.lines[1]
    assert "the change counts from the next training on" in receipt.next[0]
    assert receipt.next[1] == "round 2 still waits for 5 slices"
    assert len(project.returned.history()) == 10


def test_superseded_files_that_still_lie_there_are_left_alone(project: Project, truth: dict[str, np.ndarray]) -> None:
    ask(project)
    folder, corrected = project.round_folder(0), project.folder / "corrected"
    annotate(folder, truth, "itksnap")
    take(project)
    shutil.copytree(folder, corrected)
    annotate(corrected, {case: np.ones_like(labels) for case, labels in truth.items()}, "itksnap")
    assert "5 of these corrected" in take(project, corrected).lines[1]
    latest = project.returned.latest()
    again = take(project)
    assert any("superseded before, and left alone" in line for line in again.lines)
    assert project.returned.latest() == latest


def test_a_copy_of_the_round_with_its_tables_is_taken_and_both_tables_are_kept(
    project: Project, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ask(project)
    folder, returned = project.round_folder(0), tmp_path / "returned"
    annotate(folder, truth, "itksnap")
    shutil.copytree(folder, returned)
    (returned / "private.csv").write_text("name,born\n")
    assert take(project, returned).missing == 0
    (kept,) = (project.folder / "returns").iterdir()
    assert (kept / "round" / "worklist.csv").is_file() and (kept / "returned" / "worklist.csv").is_file()
    assert list((kept / "returned" / "segmentations").iterdir())
    assert not list(kept.rglob("private.csv"))


def test_other_tables_beside_a_single_file_are_not_copied(
    project: Project, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ask(project)
    annotate(project.round_folder(0), truth, "itksnap")
    case = Manifest.read(project.round_folder(0)).slices[0].case
    (tmp_path / "mail" / "taxes").mkdir(parents=True)
    (tmp_path / "mail" / "taxes" / "done_private.csv").write_text("name,born\n")
    file = shutil.copy(project.round_folder(0) / "segmentations" / f"{case}.nii.gz", tmp_path / "mail")
    take(project, Path(file))
    (kept,) = (project.folder / "returns").iterdir()
    names = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert names == {"round/worklist.csv", f"returned/{case}.nii.gz"}


def test_who_is_named_wins_over_what_superseded_them(
    project: Project, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ask(project)
    ones = {case: np.ones_like(labels) for case, labels in truth.items()}
    for name, labels in (("anna", truth), ("ben", ones)):
        shutil.copytree(project.round_folder(0), tmp_path / "both" / name)
        annotate(tmp_path / "both" / name, labels, "itksnap")
    first: dict[str, dict[tuple[str, int], str]] = {}
    for name in ("anna", "ben", "anna"):
        take(project, tmp_path / "both", annotator=name)
        latest = project.returned.latest()
        assert {entry.annotator for entry in latest.values()} == {name}
        arrays = {key: entry.array for key, entry in latest.items()}
        assert first.setdefault(name, arrays) == arrays
    assert first["anna"] != first["ben"]
    take(project, tmp_path / "both" / "ben")  # files that are named, too
    assert {key: entry.array for key, entry in project.returned.latest().items()} == first["ben"]


def test_files_of_another_round_or_project_are_refused(
    project: Project, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ask(project)
    annotate(project.round_folder(0), truth, "itksnap")
    late = shutil.copytree(project.round_folder(0), tmp_path / "late" / "round_01").parent
    path = late / "round_01" / "manifest.json"
    mine = path.read_text()
    path.write_text(mine.replace('"round": 0', '"round": 1'))
    single = next((late / "round_01" / "segmentations").iterdir())
    for files in (late, late / "round_01", late / "round_01" / "segmentations", single):
        with pytest.raises(DataError, match=r"these are files of round 2, not of round 1; take them with --round 2"):
            take(project, files, done="all")
    path.write_text(mine)
    assert take(project, late).missing == 0
    path.write_text(mine.replace('"project": "liver"', '"project": "heart"'))
    with pytest.raises(DataError, match="these are files of the project heart, not of liver"):
        take(project, late)
    path.write_text('{"name": "of another program"}')
    assert take(project, late).problems == ()


def test_a_complete_round_that_is_taken_again_is_complete(
    project: Project, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """A file of the round is faulty, and its slices came from elsewhere."""
    ask(project)
    folder = project.round_folder(0)
    annotate(folder, truth, "itksnap")
    good = shutil.copytree(folder, tmp_path / "good")
    case = Manifest.read(folder).slices[0].case
    (folder / "segmentations" / f"{case}.nii.gz").write_bytes(b"")
    assert take(project).missing > 0 and take(project).problems
    assert take(project, good).missing == 0
    again = take(project)
    assert again.problems == () and again.next[0] == "the round is complete"


def test_times_stay_when_nobody_tells_them_again(
    project: Project, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    answer(project, truth)
    assert {entry.minutes for entry in project.returned.latest().values()} == {2.5}
    lines = (project.round_folder(0) / "worklist.csv").read_text(encoding="utf-8-sig").replace(",2.5,", ",,")
    (project.round_folder(0) / "worklist.csv").write_text(lines, encoding="utf-8-sig")
    receipt = take(project)
    assert "0 of them taken now" in receipt.lines[0]
    assert {entry.minutes for entry in project.returned.latest().values()} == {2.5}
    (case, z), *_ = project.returned.latest()
    times = tmp_path / "times.csv"
    times.write_text(f"case,index,minutes\n{case},{z},7\nsomebody else,3,2\n")
    assert take(project, times=times).problems == ()
    assert project.returned.latest()[case, z].minutes == 7


def test_what_says_that_slices_are_done_is_kept_too(project: Project, truth: dict[str, np.ndarray]) -> None:
    answer(project, truth)
    (kept,) = (project.folder / "returns").iterdir()
    names = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert "worklist.csv" in names and any(name.startswith("segmentations/") for name in names)


def test_lost_labels_come_back_with_the_file(project: Project, truth: dict[str, np.ndarray]) -> None:
    answer(project, truth)
    entry = next(iter(project.returned.latest().values()))
    (project.folder / "labels" / entry.array).unlink()
    with pytest.raises(ResultsError, match="give the labels once more"):
        train(project)
    take(project)
    assert len(train(project)) == 1


def test_slices_that_nobody_asked_for_are_trained_on(project: Project, truth: dict[str, np.ndarray]) -> None:
    ask(project)
    manifest = Manifest.read(project.round_folder(0))
    annotate(project.round_folder(0), truth, "itksnap")
    case = manifest.slices[0].case
    extra = next(z for z in range(2, 20) if z not in manifest.wanted(case))
    path = project.round_folder(0) / "segmentations" / f"{case}.nii.gz"
    image = nib.load(path)
    drawn = np.asanyarray(image.dataobj).copy()
    drawn[:, :, extra] = truth[case][:, :, extra]
    drawn[0, 0, extra] = 1
    nib.save(nib.Nifti1Image(drawn, image.affine, image.header), path)
    with (project.round_folder(0) / "done.csv").open("w") as file:
        file.write(f"case,index\n{case},{manifest.scan(case).axes.locate(extra, manifest.scan(case).depth)[1]}\n")
    receipt = take(project, keep_others=True)
    assert any("nobody asked for" in line for line in receipt.lines)
    (record,) = train(project)
    assert (case, extra) in keys(record.selected) and record.labelled == 6


def test_a_declined_slice_that_comes_late_is_trained_on(project: Project, truth: dict[str, np.ndarray]) -> None:
    ask(project)
    annotate(project.round_folder(0), truth, "itksnap", leave_out=1)
    take(project)
    declined = State.of(project).missing[0]
    ask(project, without_missing=True)
    annotate(project.round_folder(0), truth, "itksnap")
    take(project, number=1)
    annotate(project.round_folder(1), truth, "itksnap")
    take(project)
    first, second = train(project)
    assert declined not in keys(first.selected) and declined in keys(second.selected)


@pytest.mark.slow
def test_a_round_whose_slices_are_all_there_is_not_asked_for(project: Project, truth: dict[str, np.ndarray]) -> None:
    ask(project)
    annotate(project.round_folder(0), {case: np.ones_like(labels) for case, labels in truth.items()}, "itksnap")
    before = Manifest.read(project.round_folder(0))
    scans = {scan.case: scan for scan in before.scans}
    for case, scan in scans.items():
        path = project.round_folder(0) / "segmentations" / f"{case}.nii.gz"
        image = nib.load(path)
        whole = np.maximum(truth[case], 0).astype(np.uint16)
        whole[0, 0] = 1
        nib.save(nib.Nifti1Image(whole, image.affine, image.header), path)
        assert scan.depth > 5
    take(project, done="all", keep_others=True)
    ask(project)
    pending = State.of(project).pending
    assert pending.round == 1 and State.of(project).missing


@pytest.mark.slow
def test_labels_that_were_there_before_do_not_shift_the_rounds(
    folders: Path, tmp_path: Path, truth: dict[str, np.ndarray]
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    path = sorted((folders / "scans").iterdir())[0]
    shutil.copy(folders / "all" / "labels" / path.name, masks)
    case = path.name[:-7]
    first, second = np.flatnonzero((truth[case] > 0).any(axis=(0, 1)))[:2]
    (tmp_path / "some.csv").write_text(f"case;index\n{case};{first}\n{case};{second}\n")
    wanted = wishes(folders, recipe="random", validation=None, given=masks, given_slices=tmp_path / "some.csv")
    project, _ = new_project(tmp_path / "liver", wanted)
    answer(project, truth)
    answer(project, truth)
    one, two = (Manifest.read(project.folder / f"round_0{number}") for number in (1, 2))
    assert not {(a.case, a.z) for a in one.slices} & {(a.case, a.z) for a in two.slices}
    assert "round 2" in (project.folder / "round_02" / "README.txt").read_text()
    records = train(project)
    assert [record.labelled for record in records] == [2, 7, 12]


def test_a_new_choice_does_not_go_into_an_old_folder(project: Project) -> None:
    ask(project)
    (project.results.path / "pending.json").unlink()
    with pytest.raises(ResultsError, match=r"asks for other slices than the run waits for.*Move .*round_01 away"):
        ask(project, batch=9)


def changes(scans: Path) -> Iterator[tuple[str, str]]:
    """Change the scans in one way after the other; yield what is said."""
    path = sorted(scans.iterdir())[0]
    shutil.copy(path, scans / "phantom009_seg.nii.gz")
    yield "added, take out", "phantom009_seg"
    (scans / "phantom009_seg.nii.gz").unlink()
    content = path.read_bytes()
    path.unlink()
    yield "missing, put back", path.name
    image = nib.load(sorted(scans.iterdir())[0])
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj) * 0 + 1, image.affine), path)
    yield "changed, put back", path.name
    path.write_bytes(content)


def test_scans_that_change_are_named_and_a_new_date_is_no_change(
    folders: Path, tmp_path: Path, truth: dict[str, np.ndarray]
) -> None:
    scans = tmp_path / "scans"
    shutil.copytree(folders / "scans", scans)
    project, _ = new_project(tmp_path / "liver", wishes(folders, images=scans, validation=None, recipe="random"))
    ask(project)
    for what, name in changes(scans):
        with pytest.raises(ResultsError, match=f"{what} .*{name}"):
            ask(project)
    for path in scans.iterdir():
        os.utime(path, (1, 1))
    annotate(project.round_folder(0), truth, "itksnap")
    take(project)
    assert len(train(project)) == 1


def test_two_commands_at_once_are_told_apart(project: Project) -> None:
    with project.locked(), pytest.raises(ResultsError, match="another command is at work"), project.locked():
        pass


def test_a_start_that_cannot_be_handed_out_is_refused_before_anything(project: Project) -> None:
    with pytest.raises(ConfigError, match="none is trained before the first round"):
        ask(project, prefill=True)
    assert State.of(project).pending is None


def test_predictions_are_handed_out_as_a_start(project: Project, truth: dict[str, np.ndarray]) -> None:
    answer(project, truth)
    ask(project, prefill=True)
    assert (project.round_folder(1) / "prefill.npz").is_file()
    assert take(project).missing == 5  # what the network drew is no annotator's
    manifest = Manifest.read(project.round_folder(1))
    rows = [
        f"{a.case},{manifest.scan(a.case).axes.locate(a.z, manifest.scan(a.case).depth)[1]}" for a in manifest.slices
    ]
    (project.round_folder(1) / "done.csv").write_text("\n".join(["case,index", *rows]))
    receipt = take(project)  # a slice said to be done is accepted, and noted
    assert receipt.missing == 0 and any("5 slices exactly as the network proposed" in line for line in receipt.lines)
    assert sum(entry.as_proposed for entry in project.returned.latest().values()) == 5


def test_a_dataset_without_validation_scans_is_cross_validated(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nreader: {name: nifti_folder, labels: [0, 1, 2, 3], labelled: false, folders: {images: scans}}\n"
        "classes: [background, wall, cavity, nodule]\nprepare: {quick: {size: 32}}\n"
        "splits: {all: {name: to_annotate}}\npresets: {quick: {split: all, prepare: quick, budgets: [5]}}\n"
    )
    wanted = wishes(
        folders,
        images=None,
        classes=None,
        validation=None,
        dataset=str(tmp_path / "mine.yaml"),
        data=str(folders),
        recipe="random",
    )
    project, lines = new_project(tmp_path / "liver", wanted)
    assert project.decided.run["validation"] == "none"
    assert any("cross-validation" in line for line in lines)


def test_names_that_no_file_can_have_are_refused_at_the_start(folders: Path, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    shutil.copytree(folders / "scans", scans)
    path = sorted(scans.iterdir())[0]
    path.rename(scans / "a:1.nii.gz")
    with pytest.raises(DataError, match="cannot be the name of a file everywhere"):
        new_project(tmp_path / "liver", wishes(folders, images=scans, validation=None, recipe="random"))
    assert not (tmp_path / "liver").exists()


@pytest.mark.slow
@pytest.mark.parametrize("at", range(1, 12, 3))
def test_a_kill_at_any_event_changes_nothing(
    at: int, folders: Path, tmp_path: Path, truth: dict[str, np.ndarray]
) -> None:
    """A run that is cut off and started again chooses the same slices."""

    class Killed(BaseException):
        pass

    chosen = []
    for name in ("whole", "killed"):
        project, _ = new_project(tmp_path / name, wishes(folders, recipe="entropy"))
        answer(project, truth)
        count = 0

        def listen(event: object, name: str = name) -> None:
            nonlocal count
            count += 1
            if name == "killed" and count == at:
                raise Killed

        try:
            ask(project, listeners=[listen])
        except Killed:
            ask(project)
        chosen.append((State.of(project).pending.selected, [record.members for record in project.results.records()]))
    assert chosen[0] == chosen[1]


def test_the_first_round_can_go_on_without_missing_and_with_a_start(
    project: Project, truth: dict[str, np.ndarray]
) -> None:
    """The round before stays as it is, though the command asks for copies that it lacks."""
    ask(project)
    annotate(project.round_folder(0), truth, "itksnap", leave_out=1)
    take(project)
    assert "1 slice left out" in ask(project, without_missing=True, prefill=True, copy_images=True)[0]
    assert (project.round_folder(1) / "prefill.npz").is_file()
    assert not (project.round_folder(0) / "images").exists()


def test_what_a_cut_off_start_has_left_is_cleared_and_nothing_of_the_user(folders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "liver"
    for name in ("store/prepared", "labels", "run"):
        (folder / name).mkdir(parents=True)
    for name in ("starting", "lock", "dataset.yaml", "project.yaml.tmp", "labels/labels.jsonl.tmp", "run/pending.json"):
        (folder / name).touch()
    with pytest.raises(ConfigError, match="the start of this project was cut off; give alseg project new once more"):
        Project.open(folder)
    (folder / "labels" / "mine.nii.gz").touch()
    with pytest.raises(ConfigError, match=r"not empty \(it has labels\).*An earlier start was cut off there"):
        new_project(folder, wishes(folders, recipe="random"))
    assert (folder / "labels" / "mine.nii.gz").exists() and (folder / "dataset.yaml").exists()
    (folder / "labels" / "mine.nii.gz").unlink()
    project, _ = new_project(folder, wishes(folders, recipe="random"))
    assert State.of(project).pending is None and not (folder / "starting").exists()
    (tmp_path / "mine" / "labels").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is not empty"):  # nobody has begun a project there
        new_project(tmp_path / "mine", wishes(folders, recipe="random"))


def test_a_cut_off_list_of_labels_is_told_and_the_same_files_mend_it(
    project: Project, truth: dict[str, np.ndarray]
) -> None:
    answer(project, truth)
    path = project.folder / "labels" / "labels.jsonl"
    whole = project.returned.latest()
    path.write_bytes(path.read_bytes()[:-30])
    assert len(State.of(project).missing) == 1
    receipt = take(project)
    assert receipt.missing == 0 and any("ends in a line that is cut off" in line for line in receipt.lines)
    assert {key: entry.array for key, entry in project.returned.latest().items()} == {
        key: entry.array for key, entry in whole.items()
    }
    assert project.returned.notes() == []
