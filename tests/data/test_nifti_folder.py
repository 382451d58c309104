from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.readers import READERS
from alseg_core.data.readers.reader import Noting
from alseg_core.errors import ConfigError, DataError
from alseg_core.registry import describe
from alseg_core.store import Store

SHAPE = (3, 12, 10)
SPACING = (8.0, 1.5, 1.25)
BARE = {"name": "nifti_folder", "labels": [0, 1, 2]}
LABELS = {**BARE, "pattern": "(?P<patient>.+)"}
PATTERN = {**LABELS, "pattern": r"(?P<patient>p\d+)_(?P<group>.+)"}


def mask_of(number: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 2:6, number % 3 : 5], mask[1:, 6:9, 2:8] = 1, 2
    return mask


@pytest.fixture
def folder(tmp_path, write_volume):
    """p1_ED, p1_ES, p2_ED, p2_ES, p3_ED with labels and scribbles; both suffixes."""
    root = tmp_path / "mine"
    for part in ("images", "labels", "scribbles"):
        (root / part).mkdir(parents=True)
    for number, name in enumerate(["p1_ED", "p1_ES", "p2_ED", "p2_ES", "p3_ED"]):
        suffix = ".nii" if number == 4 else ".nii.gz"
        image = np.random.default_rng(number).random(SHAPE, np.float32)
        write_volume(root / "images" / f"{name}{suffix}", image, SPACING)
        write_volume(root / "labels" / f"{name}.nii.gz", mask_of(number), SPACING)
        scribble = np.where(np.arange(SHAPE[2]) == 4, mask_of(number), 255).astype(np.uint8)
        write_volume(root / "scribbles" / f"{name}.nii.gz", scribble, SPACING)
    (root / "images" / "notes.txt").write_text("not a scan")
    (root / "images" / "._p1_ED.nii.gz").write_bytes(b"left by another system")
    return root


def fails(root, reader=LABELS) -> str:
    with pytest.raises(DataError) as caught:
        prepare(READERS.build(reader), root, Prepare(size=16), Store(root.parent / "store"))
    return str(caught.value)


def test_phases_in_the_names_of_scans_are_those_of_one_patient(folder):
    refs = READERS.build(BARE).scan(folder)
    assert [(ref.case, ref.patient, ref.group) for ref in refs[:3]] == [
        ("p1_ED", "p1", "ED"),
        ("p1_ES", "p1", "ES"),
        ("p2_ED", "p2", "ED"),
    ]


def test_scans_that_look_like_one_patient_s_need_a_pattern(folder):
    for part in ("images", "labels", "scribbles"):
        for path in (folder / part).glob("p*"):
            path.rename(path.with_name(path.name.replace("ED", "X").replace("ES", "Y")))
    message = fails(folder, BARE)
    assert "p1_X and p1_Y look like scans of one patient" in message and "(?P<patient>.+)" in message
    for part in ("images", "labels", "scribbles"):
        for name in ("p1_Y", "p2_Y"):
            (folder / part / f"{name}.nii.gz").unlink()
    assert [ref.patient for ref in READERS.build(BARE).scan(folder)] == ["p1_X", "p2_X", "p3_X"]


def test_every_scan_may_be_a_patient(folder):
    reader = READERS.build(LABELS)
    refs = reader.scan(folder)
    assert [(ref.case, ref.patient, ref.group) for ref in refs[:2]] == [("p1_ED", "p1_ED", ""), ("p1_ES", "p1_ES", "")]
    volume = reader.load(refs[3])
    np.testing.assert_array_equal(volume.image, np.random.default_rng(3).random(SHAPE, np.float32))
    np.testing.assert_array_equal(volume.mask, mask_of(3))
    marked = volume.scribble != 255
    np.testing.assert_array_equal(marked, np.broadcast_to(np.arange(SHAPE[2]) == 4, SHAPE))
    np.testing.assert_array_equal(volume.scribble[marked], volume.mask[marked])
    assert volume.spacing_mm == SPACING
    assert prepare(reader, folder, Prepare(size=16), Store(folder.parent / "store")).is_dir()


def test_pattern_gives_patient_group_and_attributes(folder):
    refs = READERS.build(PATTERN).scan(folder)
    assert [(r.patient, r.group) for r in refs[1:3]] == [("p1", "ES"), ("p2", "ED")]
    more = {**LABELS, "pattern": r"(?P<patient>p(?P<number>\d))_(?P<group>.+)"}
    assert READERS.build(more).scan(folder)[4].attributes == {"number": "3"}


def test_csv_gives_patient_group_and_attributes(folder):
    rows = ["file,patient,group,vendor", "p1_ED.nii.gz,a,rest,X", "p1_ES,a,stress,X", "p2_ED,b,rest,Y"]
    (folder / "who.csv").write_text("\ufeff" + "\n".join([*rows, "p2_ES,b,stress,Y", '"p3_ED.nii",c,,']))
    refs = READERS.build({**BARE, "csv": "who.csv"}).scan(folder)
    assert [(r.patient, r.group, r.attributes) for r in refs] == [
        ("a", "rest", {"vendor": "X"}),
        ("a", "stress", {"vendor": "X"}),
        ("b", "rest", {"vendor": "Y"}),
        ("b", "stress", {"vendor": "Y"}),
        ("c", "", {}),
    ]


def test_values_and_unmarked_are_those_of_the_files(folder, edit):
    stored = np.array([0, 200, 500], np.float32)
    for part in ("labels", "scribbles"):
        for path in (folder / part).iterdir():
            edit(path, lambda a: np.where(a == 255, 4, stored[np.minimum(a, 2)]).astype(np.float32))
    before = READERS.build(LABELS)
    assert "unknown label value 200, 500" in fails(folder)
    reader = READERS.build({**LABELS, "values": [0, 200, 500], "unmarked": 4})
    volume = reader.load(reader.scan(folder)[1])
    np.testing.assert_array_equal(volume.mask, mask_of(1))
    assert volume.mask.dtype == volume.scribble.dtype == np.uint8
    assert set(np.unique(volume.scribble)) == {0, 1, 2, 255}
    assert before.labels == reader.labels == (0, 1, 2)


def test_labels_are_optional(folder):
    shutil.rmtree(folder / "labels")
    reader = READERS.build(LABELS)
    volume = reader.load(reader.scan(folder)[0])
    assert volume.mask is None and volume.scribble is not None
    shutil.rmtree(folder / "scribbles")
    volume = reader.load(reader.scan(folder)[0])
    assert volume.mask is None and volume.scribble is None


def test_nnunet_channel_is_no_part_of_the_name(folder):
    for path in list((folder / "images").glob("p*")):
        path.rename(path.with_name(path.name.replace(".nii", "_0000.nii")))
    refs = READERS.build(PATTERN | {"pattern": r"(?P<patient>p\d)_.*"}).scan(folder)
    assert [ref.case for ref in refs] == ["p1_ED", "p1_ES", "p2_ED", "p2_ES", "p3_ED"]
    assert refs[0].files["image"].name == "p1_ED_0000.nii.gz"
    (folder / "labels/p1_ED.nii.gz").rename(folder / "labels/p1_ED_0000.nii.gz")
    (folder / "scribbles/p1_ED.nii.gz").rename(folder / "scribbles/p1_ED_0000.nii.gz")
    assert READERS.build(LABELS).scan(folder)[0].case == "p1_ED_0000"


def test_all_files_that_do_not_pair_are_told_at_once(folder):
    (folder / "labels/p1_ES.nii.gz").unlink()
    (folder / "scribbles/p1_ES.nii.gz").unlink()
    (folder / "images/p2_ED.nii.gz").unlink()
    shutil.copy(folder / "images/p1_ED.nii.gz", folder / "images/p1_ED.nii")
    message = fails(folder)
    assert message.startswith("4 problems")
    assert "images/p1_ES.nii.gz: there is no labels/p1_ES.nii.gz or scribbles/p1_ES.nii.gz to go with it" in message
    assert "labels/p2_ED.nii.gz: there is no images/p2_ED.nii.gz" in message
    assert "scribbles/p2_ED.nii.gz: there is no images/p2_ED.nii.gz" in message
    assert "have the same name" in message


def test_duplicate_case(folder):
    shutil.copy(folder / "images/p1_ED.nii.gz", folder / "images/p1_ED_0000.nii.gz")
    message = fails(folder)
    assert "case 'p1_ED' exists twice" in message and "images/p1_ED_0000.nii.gz" in message


def test_all_faults_of_the_content_are_told_at_once(folder, edit, write_volume):
    edit(folder / "labels/p1_ED.nii.gz", lambda a: a[:, :-1])
    write_volume(folder / "labels/p1_ES.nii.gz", mask_of(1), (8.0, 1.5, 1.3))
    write_volume(folder / "images/p2_ED.nii.gz", np.zeros((*SHAPE, 2), np.float32), SPACING)
    edit(folder / "labels/p2_ES.nii.gz", lambda a: np.where(a == 2, np.uint8(9), a))
    (folder / "images/p3_ED.nii").write_bytes(b"no scan")
    message = fails(folder)
    assert message.startswith("5 problems")
    assert "labels/p1_ED.nii.gz: shape (3, 11, 10) (z, y, x) differs from (3, 12, 10)" in message
    assert "labels/p1_ES.nii.gz: spacing 8 x 1.5 x 1.3 mm (z, y, x) differs from 8 x 1.5 x 1.25 mm" in message
    assert "images/p2_ED.nii.gz: expected a 3D volume, got 4D" in message
    assert "labels/p2_ES.nii.gz: unknown label value 9; known: 0, 1, 2." in message
    assert "images/p3_ED.nii: not a readable NIfTI" in message


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (8.0, 1.501, 1.2499)])
def test_labels_without_a_spacing_and_rounded_ones_pass(folder, write_volume, spacing):
    write_volume(folder / "labels/p1_ED.nii.gz", mask_of(0), spacing)
    reader = READERS.build(LABELS)
    assert reader.load(reader.scan(folder)[0]).spacing_mm == SPACING


def rewrite(path, signs, said=True):
    """The same voxels under a header whose axes point along (+1) or against (-1) those of the world."""
    file = nibabel.load(path)
    image = nibabel.Nifti1Image(np.asarray(file.dataobj), np.diag([*np.multiply(signs, file.header.get_zooms()), 1.0]))
    if not said:
        image.set_sform(None, 0)
        image.set_qform(None, 0)
        image.header.set_zooms(file.header.get_zooms())
    nibabel.save(image, path)


def test_labels_with_other_axes_are_refused_unless_trusted(folder):
    rewrite(folder / "labels/p1_ED.nii.gz", (-1, 1, 1))
    rewrite(folder / "scribbles/p1_ED.nii.gz", (1, -1, 1))
    message = fails(folder)
    assert message.startswith("2 problems")
    for part, codes in (("labels", "L, A, S"), ("scribbles", "R, P, S")):
        path = folder / part / "p1_ED.nii.gz"
        assert f"{path}: axes {codes} differ from R, A, S of {folder}/images/p1_ED.nii.gz" in message
    assert "trust_grid: true" in message
    reader = READERS.build({**LABELS, "trust_grid": True})
    np.testing.assert_array_equal(reader.load(reader.scan(folder)[0]).mask, mask_of(0))


@pytest.mark.parametrize("said", [True, False])
def test_equal_axes_and_headers_that_say_none_pass(folder, said):
    for name in ("p1_ED.nii.gz", "p1_ES.nii.gz", "p2_ED.nii.gz", "p2_ES.nii.gz", "p3_ED.nii"):
        rewrite(folder / "images" / name, (-1, -1, 1))
    rewrite(folder / "labels/p1_ED.nii.gz", (-1, -1, 1), said)
    rewrite(folder / "scribbles/p1_ED.nii.gz", (-1, -1, 1), said)
    reader = READERS.build(LABELS)
    np.testing.assert_array_equal(reader.load(reader.scan(folder)[0]).mask, mask_of(0))


def test_axes_are_read_from_every_kind_of_file(folder):
    """NIfTI-2, and a gzipped file without .gz in its name."""
    path = folder / "labels/p1_ED.nii.gz"
    file = nibabel.load(path)
    plain = nibabel.Nifti2Image(np.asarray(file.dataobj), np.diag([-1.25, 1.5, 8, 1])).to_bytes()
    for suffix, content in ((".nii.gz", gzip.compress(plain)), (".nii", plain), (".nii", gzip.compress(plain))):
        path.unlink()
        path = folder / f"labels/p1_ED{suffix}"
        path.write_bytes(content)
        assert f"{path}: axes L, A, S differ from R, A, S" in fails(folder)


def test_image_and_labels_that_are_all_damaged_are_all_named(folder):
    paths = [folder / part / "p1_ED.nii.gz" for part in ("images", "labels", "scribbles")]
    for path in paths:
        path.write_bytes(b"no scan")
    message = fails(folder)
    assert message.startswith("3 problems") and all(f"{path}: not a readable NIfTI" in message for path in paths)


def test_names_that_do_not_match_the_pattern(folder):
    message = fails(folder, {**LABELS, "pattern": r"(?P<patient>p[12])_E(?P<group>D)"})
    assert message.startswith("3 problems")
    assert (
        "images/p3_ED.nii: the whole name without suffix must match the pattern (?P<patient>p[12])_E(?P<group>D)"
        in message
    )


def test_all_faults_of_a_csv(folder):
    rows = ["file,patient", "p1_ED,a", "p1_ED,a", "p9_ED,b", "p1_ES,", "p2_ED,c,more"]
    (folder / "who.csv").write_text("\n".join(rows))
    message = fails(folder, {**BARE, "csv": "who.csv"})
    assert message.startswith("6 problems")
    for words in (
        "line 3: 'p1_ED' exists twice",
        "line 4: there is no image 'p9_ED'",
        "line 5: the patient is empty",
        "line 6: more cells than columns",
        "images/p2_ES.nii.gz: no row of",
        "images/p3_ED.nii: no row of",
    ):
        assert words in message
    (folder / "who.csv").write_text("name,patient\n")
    assert "no column file; it has name, patient" in fails(folder, {**BARE, "csv": "who.csv"})
    assert "nobody.csv: the csv cannot be read" in fails(folder, {**BARE, "csv": "nobody.csv"})


def test_no_data(folder, tmp_path):
    (tmp_path / "other").mkdir()
    assert "no folder images/" in fails(tmp_path / "other")
    for path in (folder / "images").glob("*p*"):
        path.unlink()
    message = fails(folder)
    assert "holds no .nii.gz or .nii file" in message and "labels/NAME.nii.gz" in message
    with pytest.raises(DataError, match="no folder was given"):
        READERS.build(LABELS).scan(None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": [0, 200]}, r"class numbers 0\.\.K-1"),
        ({"labels": [0]}, "labels"),
        ({"values": [0, 1]}, "3 different numbers"),
        ({"values": [0, 1, 1]}, "3 different numbers"),
        ({"unmarked": 2}, "unmarked must not be the value of a class"),
        ({"pattern": r"p\d+"}, r"needs a group \(\?P<patient>"),
        ({"pattern": r"(?P<patient"}, "no regular expression"),
        ({"pattern": r"(?P<patient>p)", "csv": "a.csv"}, "exclude each other"),
    ],
)
def test_bad_fields(fields, words):
    with pytest.raises(ConfigError, match=words):
        READERS.build({**LABELS, **fields})


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="set ALSEG_ACDC to the folder of the ACDC data")
def test_real_scans_laid_out_as_plain_folders_are_the_same(tmp_path):
    acdc = READERS.build("acdc")
    refs = [r for r in acdc.scan(Path(os.environ["ALSEG_ACDC"])) if r.patient in ("patient003", "patient090")]
    assert len(refs) == 4
    for ref in refs:
        for part, folder in (("image", "images"), ("mask", "labels"), ("scribble", "scribbles")):
            if part in ref.files:
                (tmp_path / folder).mkdir(exist_ok=True)
                shutil.copy(ref.files[part], tmp_path / folder / f"{ref.case}.nii.gz")
    pattern = r"(?P<patient>patient\d+)_(?P<group>.+)"
    spec = {"name": "nifti_folder", "labels": [0, 1, 2, 3], "unmarked": 4, "pattern": pattern}
    reader = READERS.build(spec)
    plain = reader.scan(tmp_path)
    assert [(r.case, r.patient, r.group) for r in plain] == [(r.case, r.patient, r.group) for r in refs]
    for ours, theirs in zip(map(reader.load, plain), map(acdc.load, refs), strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
        np.testing.assert_array_equal(ours.mask, theirs.mask)
        np.testing.assert_array_equal(ours.scribble, theirs.scribble)
        assert ours.spacing_mm == theirs.spacing_mm


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,patient,patient\np1_ED,a,b\n", "several columns patient; it has file, patient, patient"),
        ("name,patient\n", "no column file; it has name, patient"),
        ("", "no column file, patient; it has none"),
        ("file,patient\n" + "p1_ED," + "a" * 200_000, "the csv cannot be read (field larger than field limit"),
    ],
)
def test_a_csv_that_can_be_read_in_two_ways_is_refused(folder, content, words):
    (folder / "who.csv").write_text(content)
    assert words in fails(folder, {**BARE, "csv": "who.csv"})


def test_blanks_and_capitals_in_the_head_of_a_csv_do_not_matter(folder):
    names = ("p1_ED", "p1_ES", "p2_ED", "p2_ES", "p3_ED")
    (folder / "who.csv").write_text("File, Patient\n" + "\n".join(f"{name}, {name[:2]}" for name in names))
    refs = READERS.build({**BARE, "csv": "who.csv"}).scan(folder)
    assert [ref.patient for ref in refs] == ["p1", "p1", "p2", "p2", "p3"]


def test_a_csv_whose_name_is_no_name_is_a_problem(folder):
    assert "the csv cannot be read" in fails(folder, {**BARE, "csv": "who\0.csv"})


def test_a_pattern_that_divides_patients_is_warned_of(folder):
    reader: Any = READERS.build({**BARE, "pattern": "(?P<patient>.+_E)(?P<group>[DS])"})
    assert not any("warning" in line for line in reader.notes(folder))
    for path in sorted(folder.glob("*/p*")):
        path.rename(path.with_name(path.name.replace("_ED", "_a_1").replace("_ES", "_b_1")))
    reader = READERS.build({**BARE, "pattern": "(?P<patient>.+)_(?P<group>1)"})
    assert "warning: patients p1_a and p1_b look like one patient; then they belong together" in reader.notes(folder)


def test_folders_may_have_the_names_of_nnunet(folder):
    for part, other in (("images", "imagesTr"), ("labels", "labelsTr")):
        (folder / part).rename(folder / other)
    with pytest.raises(DataError, match="no folder images/ was found"):
        READERS.build(PATTERN).scan(folder)
    reader = READERS.build({**PATTERN, "folders": {"images": "imagesTr", "labels": "labelsTr"}})
    refs = reader.scan(folder)
    assert refs[0].files["mask"] == folder / "labelsTr/p1_ED.nii.gz"
    np.testing.assert_array_equal(reader.load(refs[0]).mask, mask_of(0))
    assert reader.load(refs[0]).scribble is not None  # the other folder keeps its name
    assert isinstance(reader, Noting) and not any("beside" in line for line in reader.notes(folder))
    (folder / "labelsTr/p1_ES.nii.gz").rename(folder / "labelsTr/p9.nii.gz")
    with pytest.raises(DataError) as caught:
        reader.scan(folder)
    assert "labelsTr/p9.nii.gz: there is no imagesTr/p9.nii.gz to go with it" in str(caught.value)


@pytest.mark.parametrize("name", ["", "../other", "/elsewhere", "labels"])
def test_folders_lie_apart_below_the_data_folder(name):
    with pytest.raises(ConfigError, match="folder"):
        READERS.build({**BARE, "folders": {"images": name}})


def test_default_folders_are_no_part_of_a_description():
    assert "folders" not in describe(READERS.build(BARE))
    named = READERS.build({**BARE, "folders": {"images": "imagesTr"}})
    assert READERS.build(describe(named)) == named
