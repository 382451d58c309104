"""Files for ITK-SNAP, 3D Slicer and MITK: classes, and paths that lead to the files wherever the folder is."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from slicerio.markups import fcsv_to_markups_json

from bench.project.exchange import write_round
from bench.study.palette import CLASS_COLOURS
from tests.bench.project.exchange.small_projects import BARE, FIRST, OBLIQUE, Project
from tests.bench.project.exchange.workspaces import entries, inside

CASES = (OBLIQUE, FIRST, BARE)


def snap_files(workspace: Path) -> list[Path]:
    """The files of a workspace as ITK-SNAP finds them: first as if they had moved with the workspace, then as named."""
    root = ElementTree.parse(workspace).getroot()
    start = entries(root)["SaveLocation"]
    found = []
    for number, role in enumerate(["MainRole", "SegmentationRole"]):
        layer = entries(inside(root, "Layers", f"Layer[{number:03d}]"))
        assert layer["Role"] == role
        named = layer["AbsolutePath"]
        relative = named[len(start) :].lstrip("/") if named.startswith(start) else os.path.relpath(named, start)
        moved = Path(os.path.normpath(workspace.parent / relative))
        found.append(moved if moved.exists() else Path(named))
    return found


def listed(folder: Path) -> dict[str, list[Path]]:
    """Case -> the scan and the label file, by each program's files."""
    found: dict[str, list[Path]] = {case: snap_files(folder / f"itksnap/{case}.itksnap") for case in CASES}
    with (folder / "slicer/cases.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["ID"]] += [folder / "slicer" / row["path"] / row[name] for name in ("image", "mask", "points")]
    for task in json.loads((folder / "mitk/tasks.json").read_text(encoding="utf-8"))["Tasks"]:
        found[task["Name"]].append(folder / "mitk" / task["Image"])
    return found


def check_paths(folder: Path, image_of: Callable[[str], Path]) -> None:
    for case, paths in listed(folder).items():
        labels = folder / "segmentations" / f"{case}.nii.gz"
        wanted = [image_of(case), labels, image_of(case), labels, folder / f"slicer/{case}.mrk.json", image_of(case)]
        for path, target in zip(paths, wanted, strict=True):
            assert path.resolve(strict=True) == target.resolve(strict=True)


def test_paths_in_place_and_when_the_project_moves(project: Callable[..., Project], tmp_path: Path) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    check_paths(made.round, made.image)
    moved = tmp_path / "elsewhere" / "of another name"
    shutil.copytree(made.folder, moved)
    shutil.rmtree(made.folder)
    check_paths(moved / "round_01", lambda case: moved / f"scans/{case}.nii.gz")


def test_a_folder_with_copies_can_be_sent(project: Callable[..., Project], tmp_path: Path) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, copy_images=True, thumbnails=False)
    original = made.image(OBLIQUE).read_bytes()
    moved = tmp_path / "annotator"
    shutil.move(made.round, moved)
    shutil.rmtree(made.folder)
    check_paths(moved, lambda case: moved / f"images/{case}.nii.gz")
    assert (moved / f"images/{OBLIQUE}.nii.gz").read_bytes() == original
    for path in moved.rglob("*"):
        if path.suffix in {".itksnap", ".csv", ".json", ".txt"}:
            assert str(tmp_path) not in path.read_text(encoding="utf-8"), path


def test_scans_outside_the_project_are_named_absolutely(project: Callable[..., Project], tmp_path: Path) -> None:
    made = project(cases=(BARE,))
    outside = tmp_path / "archive" / "scan.nii.gz"
    outside.parent.mkdir()
    made.image(BARE).rename(outside)
    scan = made.manifest.scans[0]
    scans = (type(scan)(**{**vars(scan), "image": str(outside)}),)
    manifest = type(made.manifest)(**{**vars(made.manifest), "scans": scans})
    write_round(made.round, manifest, made.folder, thumbnails=False)
    assert snap_files(made.round / f"itksnap/{BARE}.itksnap")[0] == outside
    assert json.loads((made.round / "mitk/tasks.json").read_text())["Tasks"][0]["Image"] == str(outside)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("mask", {1: ("liver", CLASS_COLOURS[0]), 2: ('tumour "B"', CLASS_COLOURS[1])}),
        (
            "scribble",
            {1: ("liver", CLASS_COLOURS[0]), 2: ('tumour "B"', CLASS_COLOURS[1]), 3: ("background", "#FFFFFF")},
        ),
    ],
)
def test_classes(project: Callable[..., Project], kind: str, expected: dict[int, tuple[str, str]]) -> None:
    made = project(kind, cases=(BARE,))
    write_round(made.round, made.manifest, made.folder, thumbnails=False)

    lines = (made.round / "itksnap/labels.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if not line.startswith("#"):
            index, red, green, blue, _, _, _, name = re.fullmatch(
                r'(\d+) (\d+) (\d+) (\d+) (\S+) (\d) (\d) "([^"]*)"', line
            ).groups()
            found[int(index)] = (name, f"#{int(red):02X}{int(green):02X}{int(blue):02X}")
    assert found.pop(0) == ("Clear Label", "#000000")
    plain = {value: (name.replace('"', "'"), code) for value, (name, code) in expected.items()}
    assert found == plain

    root = ElementTree.parse(made.round / f"itksnap/{BARE}.itksnap").getroot()
    settings = inside(root, "Layers", "Layer[000]", "ProjectMetaData")
    assert entries(inside(settings, "Files", "Grey"))["Dimensions"] == "8 9 5"  # else ITK-SNAP ignores the table
    table = inside(settings, "IRIS", "LabelTable")
    labels = [entries(child) for child in table.findall("folder")]
    assert int(entries(table)["NumberOfElements"]) == len(labels)
    colours = {int(label["Index"]): tuple(map(int, label["Color"].split())) for label in labels}
    assert colours == {value: tuple(bytes.fromhex(code[1:])) for value, (_, code) in expected.items()}

    suggestions = json.loads((made.round / "mitk/labels.json").read_text(encoding="utf-8"))
    assert [(label["name"], label["color"]) for label in suggestions] == [expected[value] for value in sorted(expected)]

    text = (made.round / "README.txt").read_text(encoding="utf-8")
    for value, (name, _) in expected.items():
        assert re.search(rf"^ +{value}  {re.escape(name)}$", text, re.M)
    assert re.search(r"^ +0  (background|not marked)$", text, re.M).group(1) == (
        "background" if kind == "mask" else "not marked"
    )


def test_tasks_of_mitk(project: Callable[..., Project]) -> None:
    made = project()
    labels = made.labels()
    del labels[BARE]
    write_round(made.round, made.manifest, made.folder, labels, thumbnails=False)
    content = json.loads((made.round / "mitk/tasks.json").read_text(encoding="utf-8"))
    assert (content["FileFormat"], content["Version"]) == ("MITK Segmentation Task List", 1)
    tasks = {task["Name"]: task for task in content["Tasks"]}
    assert {case: "Segmentation" in task for case, task in tasks.items()} == {OBLIQUE: True, FIRST: True, BARE: False}
    results = [made.round / "mitk" / task["Result"] for task in tasks.values()]
    assert len(set(results)) == 3
    assert not any(path.exists() for path in results)  # an existing result would count as done
    assert "i = 5" in tasks[FIRST]["Description"]  # z = 1 of 7, counted backwards
    assert "i = 0" in tasks[FIRST]["Description"]
    assert (made.round / "mitk" / content["Defaults"]["LabelNameSuggestions"]).is_file()


def test_points_have_the_fields_that_slicerio_writes(project: Callable[..., Project], tmp_path: Path) -> None:
    made = project(cases=(FIRST,))
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    ours = json.loads((made.round / f"slicer/{FIRST}.mrk.json").read_text(encoding="utf-8"))
    legacy = tmp_path / "points.fcsv"
    legacy.write_text(
        "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        "1,1.0,2.0,3.0,0,0,0,1,1,1,0,F-1,,\n"
    )
    theirs = json.loads(fcsv_to_markups_json(legacy).read_text(encoding="utf-8"))
    assert ours["@schema"] == theirs["@schema"]
    (our_markup,), (their_markup,) = ours["markups"], theirs["markups"]
    assert set(our_markup) - set(their_markup) == {"coordinateUnits"}  # which the schema has
    (known,) = their_markup["controlPoints"]
    for point in our_markup["controlPoints"]:
        assert set(point) - set(known) == {"description", "positionStatus"}  # which the schema has
        assert all(type(point[name]) is type(known[name]) for name in set(point) & set(known))
