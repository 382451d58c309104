"""Each fault in the data is one clear error that names the file."""

from __future__ import annotations

import dataclasses
import re
import shutil
from typing import Any, ClassVar

import numpy as np
import pytest

from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.readers import READERS, CaseRef
from alseg_core.errors import DataError
from alseg_core.store import Store
from alseg_core.vocabulary import Volume

ED = "database/training/patient002/patient002_frame01"


@pytest.fixture
def fails(tmp_path, write_acdc):
    """Prepare the data at ``root`` and give the message of the error."""

    def run(root, reader="acdc"):
        with pytest.raises(DataError) as caught:
            prepare(READERS.build(reader), root, Prepare(size=16), Store(tmp_path / "store"))
        left = {path.name for path in (tmp_path / "store").rglob("*") if not path.name.endswith(".lock")}
        assert left <= {"prepared", "contents.json"}
        return str(caught.value)

    return run


@pytest.mark.parametrize("reader", [name for name in READERS if name != "phantom"])
@pytest.mark.parametrize("exists", [True, False])
def test_every_reader_says_which_layout_it_expects(tmp_path, reader, exists):
    where = tmp_path / "nothing"
    if exists:
        where.mkdir()
    for root in (where, None):
        with pytest.raises(DataError) as caught:
            READERS.build(reader).scan(root)
        cls: Any = READERS[reader]
        assert cls.layout in str(caught.value)
        assert (str(where) if root else "no folder was given") in str(caught.value)


@pytest.mark.parametrize("reader", list(READERS))
def test_every_reader_tells_its_terms(reader):
    built = READERS.build(reader)
    assert built.labels == tuple(range(len(built.labels))) and len(built.labels) >= 2
    assert all((built.paper, built.licence, built.source, built.layout))


@pytest.fixture
def root(tmp_path, write_acdc):
    return write_acdc(tmp_path / "acdc", patients=3)


def test_sound_data_pass(root, tmp_path):
    assert prepare(READERS.build("acdc"), root, Prepare(size=16), Store(tmp_path / "store")).is_dir()


def test_truncated(root, fails):
    path = root / f"{ED}.nii.gz"
    path.write_bytes(path.read_bytes()[:1500])
    message = fails(root)
    assert message.startswith(f"{path}: ")
    assert "truncated" in message


@pytest.mark.parametrize("part", ["_gt", "_scribble"])
def test_shape_mismatch(root, fails, edit, part):
    edit(root / f"{ED}{part}.nii.gz", lambda labels: labels[:, :-1])
    message = fails(root)
    assert message.startswith(f"{root / ED}{part}.nii.gz: ")
    assert "(3, 29, 24)" in message
    assert "(3, 30, 24)" in message
    assert f"{root / ED}.nii.gz" in message


@pytest.mark.parametrize(("part", "value"), [("_gt", 4), ("_scribble", 7)])
def test_unknown_label(root, fails, edit, part, value):
    edit(root / f"{ED}{part}.nii.gz", lambda labels: np.where(labels == 3, np.uint8(value), labels))
    message = fails(root)
    assert f"{ED}{part}.nii.gz: unknown label value {value}; known: 0, 1, 2, 3" in message


def test_nan_image(root, fails, edit):
    def spoil(image):
        image = image.astype(np.float32)
        image[1, 2, 3] = np.nan
        return image

    edit(root / f"{ED}.nii.gz", spoil)
    assert re.search(rf"{ED}\.nii\.gz: the image holds 1 NaN", fails(root))


def test_4d(root, fails, write_volume):
    write_volume(root / f"{ED}.nii.gz", np.zeros((3, 30, 24, 2), np.int16))
    assert f"{ED}.nii.gz: expected a 3D volume, got 4D" in fails(root)


def test_missing_mask(root, fails):
    (root / f"{ED}_gt.nii.gz").unlink()
    message = fails(root)
    assert message == f"{root / ED}_gt.nii.gz: file not found (ED of patient002)."


def test_missing_info_and_missing_phase(root, fails):
    (root / "database/training/patient001/Info.cfg").unlink()
    (root / "database/training/patient002/Info.cfg").write_text("ED: 1\nES: soon\n")
    message = fails(root)
    assert message.startswith("2 problems")
    assert "patient001/Info.cfg: file not found" in message
    assert "'ES: <frame number>', got 'soon'" in message


@pytest.mark.parametrize("exists", [True, False])
def test_no_data(tmp_path, fails, exists):
    where = tmp_path / "nothing"
    if exists:
        where.mkdir()
    message = fails(where)
    assert str(where) in message
    assert "patientNNN_frameFF_gt.nii.gz" in message
    assert "https://humanheart-project.creatis.insa-lyon.fr/database" in message


def test_no_folder_given(fails):
    assert "no folder was given" in fails(None)


def test_duplicate_case(root, fails, write_acdc):
    write_acdc(root, patients=[2], part="testing")
    message = fails(root)
    assert message.startswith("2 problems")
    assert "case 'patient002_ED' exists twice" in message
    assert "training/patient002" in message
    assert "testing/patient002" in message


def test_all_problems_in_one_error_of_bounded_length(tmp_path, write_acdc, fails):
    root = write_acdc(tmp_path / "many", patients=12)
    for path in root.rglob("*_gt.nii.gz"):
        path.write_bytes(b"")
    message = fails(root)
    assert message.startswith("24 problems")
    assert message.count("\n  - ") == 20
    assert message.endswith("and 4 more.")


def test_a_folder_of_other_files_is_no_data(root, fails, tmp_path):
    for folder in list((root / "database/training").iterdir()):
        shutil.move(folder, folder.with_name("x" + folder.name))
    assert "no patient folder was found" in fails(root)


@dataclasses.dataclass
class Faulty:
    """A reader whose volumes did not come through the NIfTI door."""

    labels: ClassVar[tuple[int, ...]] = (0, 1)
    change: dataclasses.InitVar[Any]

    def __post_init__(self, change):
        self.given = change

    def scan(self, root):
        return [CaseRef(case, "p") for case in self.given.get("cases", ["a"])]

    def load(self, ref):
        image = self.given.get("image", np.ones((2, 9, 9), np.float32))
        mask = self.given.get("mask", np.zeros((2, 9, 9), np.uint8))
        return Volume(image, mask, self.given.get("scribble"), (1, 1, 1), ref.case, ref.patient)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cases": ["a", "b", "a"]}, "case 'a' exists twice"),
        ({"image": np.full((2, 9, 9), np.inf, np.float32)}, "image of case 'a'.*infinite"),
        ({"mask": np.full((2, 9, 9), 2, np.uint8)}, "mask of case 'a'.*unknown label value"),
        ({"mask": np.zeros((3, 9, 9), np.uint8)}, "mask of case 'a'.*differs"),
        ({"scribble": np.full((2, 9, 9), 254, np.uint8)}, "scribble of case 'a'.*254"),
    ],
)
def test_prepare_checks_every_reader(tmp_path, change, words):
    reader: Any = Faulty(change)
    with pytest.raises(DataError, match=words):
        prepare(reader, None, Prepare(size=8), Store(tmp_path))
