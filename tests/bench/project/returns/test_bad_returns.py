"""Files that cannot be taken: one clear line each, and what lies beside them is taken all the same."""

from __future__ import annotations

import gzip
import shutil
import threading
import time

import nibabel
import nrrd
import numpy as np
import pytest
import slicerio

from bench.project.returns.taken import read_returns
from tests.bench.project.returns.rounds import CLASSES, truth_of

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nifti(the_round, values, affine=None, name="p01.nii.gz"):
    """Write values along the stored axes (which are those of p01 in reverse) as the file of p01."""
    place = np.array(the_round.manifest.scan("p01").affine) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(values, place), the_round.labels / name)


def values_of(the_round, dtype=np.uint8):
    return truth_of(the_round.manifest, "p01").transpose(2, 1, 0).astype(dtype)


def moved(the_round, change):
    affine = np.array(the_round.manifest.scan("p01").affine)
    change(affine)
    nifti(the_round, values_of(the_round), affine)


def other_spacing(the_round):
    moved(the_round, lambda affine: affine.__setitem__((slice(3), 2), affine[:3, 2] * 1.5))


def other_origin(the_round):
    moved(the_round, lambda affine: affine.__setitem__((slice(3), 3), affine[:3, 3] + 25))


def other_rotation(the_round):
    c, s = np.cos(0.4), np.sin(0.4)

    def turn(affine):
        affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ affine[:3, :3]

    moved(the_round, turn)


def mirrored_header(the_round):
    moved(the_round, lambda affine: affine.__setitem__((slice(3), 0), -affine[:3, 0]))


def sheared(the_round):
    moved(the_round, lambda affine: affine.__setitem__((slice(3), 1), affine[:3, 1] + 0.4 * affine[:3, 2]))


def other_case(the_round):
    the_round.save(the_round.labels / "p01.nii.gz", "p02", truth_of(the_round.manifest, "p02"))


def one_slice_too_many(the_round):
    """The last one holds labels, and the scan has no slice there."""
    values = values_of(the_round)
    nifti(the_round, np.concatenate([values, values[:, :, -1:]], axis=2))


def cropped_between_voxels(the_round):
    place = np.array(the_round.manifest.scan("p01").affine)
    place[:3, 3] = (place @ [1.2, 0, 0, 1])[:3]
    nifti(the_round, values_of(the_round)[1:-1], place)


def no_position(the_round):
    nifti(the_round, values_of(the_round)[::-1], np.eye(4))


def no_position_and_other_spacing(the_round):
    nrrd.write(str(the_round.labels / "p01.nrrd"), values_of(the_round), {"spacings": [0.8, 1.1, 5.0]})


def silent_header_of_another_shape(the_round):
    nifti(the_round, values_of(the_round)[:, :-2], np.eye(4))


def unknown_labels(the_round):
    values = values_of(the_round)
    values[2, 2, 3], values[3, 2, 4], values[3, 3, 3] = 4, 5, 5
    nifti(the_round, values)


def negative_label(the_round):
    values = values_of(the_round, np.int16)
    values[2, 2, 3] = -1
    nifti(the_round, values)


def fractions(the_round):
    values = values_of(the_round, np.float32)
    values[2, 2, 1] = 0.5
    nifti(the_round, values)


def not_a_number(the_round):
    values = values_of(the_round, np.float32)
    values[2, 2, 1] = np.nan
    nifti(the_round, values)


def infinite(the_round):
    values = values_of(the_round, np.float32)
    values[2, 2, 1] = np.inf
    nifti(the_round, values)


def the_scan_itself(the_round):
    nifti(the_round, np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5))


def no_content(the_round):
    (the_round.labels / "p01.nii.gz").write_bytes(b"")


def no_content_nrrd(the_round):
    (the_round.labels / "p01.seg.nrrd").write_bytes(b"")


def truncated(the_round):
    nifti(the_round, values_of(the_round))
    path = the_round.labels / "p01.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])


def damaged_inside(the_round):
    nifti(the_round, values_of(the_round))
    path = the_round.labels / "p01.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    packed = bytearray(gzip.compress(bytes(content), mtime=0))
    packed[-6] ^= 0xFF  # in the checksum
    path.write_bytes(packed)


def no_scan_at_all(the_round):
    (the_round.labels / "p01.nii.gz").write_text("to be drawn")


def a_page_of_an_error(the_round):
    (the_round.labels / "p01.nrrd").write_text("<html>404</html>")


def four_dimensions(the_round):
    nifti(the_round, np.stack([values_of(the_round)] * 2, axis=-1))


def colours(the_round):
    pixels = np.zeros((7, 6, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nifti(the_round, pixels)


def segments(the_round, found, voxels, name="p01.seg.nrrd", affine=None):
    scan = the_round.manifest.scan("p01")
    place = LPS @ np.array(scan.affine) if affine is None else affine
    content = {"voxels": voxels, "ijkToLPS": place, "segments": found}
    slicerio.write_segmentation(str(the_round.labels / name), content)


def segment(name, value, layer=0):
    return {"id": f"{name}{value}", "name": name, "labelValue": value, "layer": layer}


def name_against_value(the_round):
    voxels = np.zeros((7, 6, 5), np.uint8)
    voxels[2:4, 2:4] = 2
    segments(the_round, [segment("liver", 2)], voxels)


def two_names_swapped(the_round):
    found = [segment("liver", 2), segment("spleen", 1), segment("kidney", 3)]
    segments(the_round, found, values_of(the_round))


def unknown_segment(the_round):
    segments(the_round, [segment("tumour", 1)], np.ones((7, 6, 5), np.uint8))


def automatic_names(the_round):
    """Drawn in another order than that of the classes; nobody can tell."""
    found = [segment(f"Segment_{value}", value) for value in (1, 2, 3)]
    segments(the_round, found, np.array([0, 2, 1, 3], np.uint8)[values_of(the_round)])


def one_automatic_name(the_round):
    segments(the_round, [segment("Segment_1", 1)], np.full((7, 6, 5), 1, np.uint8))


def name_of_the_file_against_the_value(the_round):
    segments(the_round, [segment("p01_2", 1)], np.full((7, 6, 5), 1, np.uint8))


def two_segments_of_a_class(the_round):
    voxels = values_of(the_round)
    voxels[voxels == 3] = 1
    segments(the_round, [segment("liver", 1), segment("Liver", 2)], voxels)


def voxels_without_a_segment(the_round):
    segments(the_round, [segment("liver", 1)], values_of(the_round))


def overlapping_segments(the_round):
    voxels = np.zeros((2, 7, 6, 5), np.uint8)
    voxels[0, 1:4], voxels[1, 3:5] = 1, 1
    segments(the_round, [segment("liver", 1), segment("spleen", 1, 1)], voxels)


def segments_between_voxels(the_round):
    place = LPS @ np.array(the_round.manifest.scan("p01").affine)
    place[:3, 3] = (place @ [0.4, 0, 1, 1])[:3]
    segments(the_round, [segment("liver", 1)], np.ones((3, 3, 2), np.uint8), affine=place)


def segments_oversampled(the_round):
    place = LPS @ np.array(the_round.manifest.scan("p01").affine)
    place[:3, :2] /= 2
    segments(the_round, [segment("liver", 1)], np.ones((6, 6, 2), np.uint8), affine=place)


def segments_outside(the_round):
    place = LPS @ np.array(the_round.manifest.scan("p01").affine)
    place[:3, 3] = (place @ [5, 0, 1, 1])[:3]
    segments(the_round, [segment("liver", 1)], np.ones((3, 3, 2), np.uint8), affine=place)


def truncated_segments(the_round):
    found = [segment(name, value) for value, name in enumerate(CLASSES) if value]
    segments(the_round, found, values_of(the_round))
    path = the_round.labels / "p01.seg.nrrd"
    path.write_bytes(path.read_bytes()[:-30])


def segments_without_a_space(the_round):
    header = {"Segment0_ID": "a", "Segment0_Name": "liver", "Segment0_LabelValue": "1", "encoding": "gzip"}
    nrrd.write(str(the_round.labels / "p01.seg.nrrd"), values_of(the_round), header)


def colours_nrrd(the_round):
    header = {
        "space": "left-posterior-superior",
        "kinds": ["RGB-color", "domain", "domain", "domain"],
        "space directions": np.array([[np.nan] * 3, [0.8, 0, 0], [0, 1.1, 0], [0, 0, 3]]),
        "space origin": np.zeros(3),
    }
    nrrd.write(str(the_round.labels / "p01.nrrd"), np.zeros((3, 7, 6, 5), np.uint8), header)


def two_files(the_round):
    nifti(the_round, values_of(the_round))
    nifti(the_round, values_of(the_round)[::-1], name="p01 (1).nii.gz")


def a_link_to_nothing(the_round):
    (the_round.labels / "p01.nii.gz").symlink_to("p01_of_yesterday.nii.gz")


def a_folder_with_the_name_of_a_file(the_round):
    (the_round.labels / "p01.nii.gz").mkdir()


def one_of_two_unreadable(the_round):
    """The file as it was handed out must not stand for the one that was drawn."""
    nifti(the_round, np.zeros((7, 6, 5), np.uint8))
    (the_round.labels / "p01.seg.nrrd").write_bytes(b"NRRD0004\n")


CASES = [
    (other_spacing, "p01.nii.gz: spacing 4.5 x 1.1 x 0.8 mm (z, y, x) differs from 3 x 1.1 x 0.8 mm"),
    (other_origin, "p01.nii.gz: origin (-5, 37.5, 65) mm, that of the image (-30, 12.5, 40)"),
    (other_rotation, "p01.nii.gz: rotation: its axes are turned by 23 degrees"),
    (mirrored_header, "p01.nii.gz: its axes run L, A, S, those of the image R, A, S; origin"),
    (sheared, "p01.nii.gz: its axes are not at right angles"),
    (other_case, "p01.nii.gz: spacing"),
    (one_slice_too_many, "of its labelled voxels lie outside the image"),
    (cropped_between_voxels, "voxels lie up to 0.2 voxels off"),
    (no_position, "p01.nii.gz: its header tells no position, so nobody can see whether it is mirrored or turned; save"),
    (no_position_and_other_spacing, "p01.nrrd: spacing 5 x 1.1 x 0.8 mm (z, y, x) differs"),
    (silent_header_of_another_shape, "p01.nii.gz: it has 5 x 4 x 7 voxels"),
    (unknown_labels, "unknown labels 4, 5 on slices 3, 4; known: background 0, liver 1, spleen 2, kidney 3"),
    (negative_label, "unknown labels -1 on slice 3"),
    (fractions, "it holds 0.5, on slice 1; known: background 0"),
    (not_a_number, "it holds nan, on slice 1"),
    (infinite, "it holds inf, on slice 1"),
    (the_scan_itself, "Is it the scan itself?"),
    (no_content, "p01.nii.gz: the file is empty (0 bytes)"),
    (no_content_nrrd, "p01.seg.nrrd: the file is empty (0 bytes)"),
    (truncated, "p01.nii.gz: not a readable NIfTI file, perhaps truncated"),
    (damaged_inside, "p01.nii.gz: not a readable NIfTI file, perhaps truncated"),
    (no_scan_at_all, "p01.nii.gz: not a readable NIfTI file"),
    (a_page_of_an_error, "p01.nrrd: not a readable NRRD file"),
    (four_dimensions, "p01.nii.gz: expected a 3D volume, got 4D"),
    (colours, "p01.nii.gz: expected one real number a voxel"),
    (name_against_value, "segment 'liver' has the value 2, that of spleen; known: background 0, liver 1"),
    (two_names_swapped, "segment 'liver' has the value 2, that of spleen"),
    (unknown_segment, "segment 'tumour' has the name of no class"),
    (automatic_names, "segments Segment_1, Segment_2, Segment_3 have names that programs give, which tell no class"),
    (
        one_automatic_name,
        "segment Segment_1 has a name that programs give, which tells no class; rename it to liver or",
    ),
    (name_of_the_file_against_the_value, "segment p01_2 has a name that programs give"),
    (two_segments_of_a_class, "segments 'liver' and 'Liver' both stand for liver"),
    (voxels_without_a_segment, "voxels of value 2, 3 belong to none of its segments"),
    (overlapping_segments, "segments overlap on slices 1, 3 (12 voxels)"),
    (segments_between_voxels, "voxels lie up to 0.4 voxels off"),
    (segments_oversampled, "spacing 3 x 0.55 x 0.4 mm"),
    (segments_outside, "6 of its labelled voxels lie outside the image"),
    (truncated_segments, "p01.seg.nrrd: not a readable NRRD file, perhaps truncated"),
    (segments_without_a_space, "its header has no space"),
    (colours_nrrd, "expected a 3D label map, got shape (3, 7, 6, 5) (RGB-color)"),
    (two_files, "p01 (1).nii.gz and segmentations/p01.nii.gz are both of p01 and differ"),
    (a_link_to_nothing, "p01.nii.gz: it cannot be read"),
    (a_folder_with_the_name_of_a_file, "p01: slices 1, 3 said to be done, and there is no file for p01."),
    (one_of_two_unreadable, "Until then segmentations/p01.nii.gz of the same case is left out too"),
]


@pytest.mark.parametrize(("make", "words"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_a_file_that_cannot_be_taken(the_round, make, words):
    drawn = the_round.draw("p02")
    make(the_round)
    the_round.say_all_done()
    taken = the_round.look()
    assert len(taken.problems) == 1, taken.problems
    assert words in taken.problems[0] and "\n" not in taken.problems[0]
    assert str(the_round.folder) not in taken.problems[0]
    assert [(one.case, one.z) for one in taken.given] == [("p02", 0), ("p02", 2)]
    assert taken.missing == (("p01", 1), ("p01", 3))
    for one in taken.given:
        np.testing.assert_array_equal(one.labels, drawn[one.z])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("p03.nii.gz", "p03.nii.gz: its name is that of no case of this round (p01, p02)."),
        ("scan.nii.gz", "its name is that of no case of this round"),
        ("p01_anna.nii.gz", "its name is that of no case"),
        ("p012.nii.gz", "its name is that of no case"),
        ("Segmentation.seg.nrrd", "its name is that of no case"),
        ("p01.mha", "files of this kind are not read"),
        ("p01.zip", "files of this kind are not read"),
    ],
)
def test_names_that_tell_no_case(the_round, name, words):
    the_round.draw("p01")
    the_round.draw("p02")
    shutil.copy(the_round.labels / "p01.nii.gz", the_round.labels / name)
    the_round.say_all_done()
    taken = the_round.look()
    assert len(taken.problems) == 1 and words in taken.problems[0]
    assert len(taken.given) == 4 and taken.missing == ()


def test_many_files_of_another_kind_are_one_line(the_round):
    the_round.draw("p01")
    the_round.say_all_done(cases=("p01",))
    for number in range(30):
        (the_round.folder / f"{number:02}.dcm").write_bytes(b"DICM")
    taken = the_round.look()
    assert taken.problems == (
        "00.dcm, 01.dcm, 02.dcm and 27 more: files of this kind are not read; give .nii, .nrrd, .nii.gz, .seg.nrrd "
        "(unpacked).",
    )
    assert len(taken.given) == 2


def test_a_file_that_is_being_written(the_round):
    the_round.draw("p01")
    the_round.draw("p02")
    the_round.say_all_done()
    path = the_round.labels / "p01.nii.gz"
    stop = threading.Event()

    def write():
        while not stop.wait(0.02):
            with path.open("ab") as file:
                file.write(b"\0" * 100)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.05)
        taken = read_returns(the_round.manifest, the_round.folder, the_round.folder)
    finally:
        stop.set()
        writer.join()
    assert taken.problems == (
        "segmentations/p01.nii.gz: it is being written; wait until it is saved, and take it again.",
    )
    assert [one.case for one in taken.given] == ["p02", "p02"]


def test_files_of_the_system_and_half_files_are_ignored(the_round):
    the_round.draw("p01")
    the_round.draw("p02")
    for name in ("._p01.nii.gz", ".p01.nii.gz", "p01.nii.gz.tmp", "p01.nii.gz.part", "Thumbs.db", "p01.nii.gz.lock"):
        (the_round.labels / name).write_bytes(b"x")
    (the_round.folder / "images").mkdir()
    (the_round.folder / "images" / "p01.nii.gz").write_bytes(b"x")
    (the_round.folder / "__MACOSX").mkdir()
    (the_round.folder / "__MACOSX" / "p01.nii.gz").write_bytes(b"x")
    the_round.say_all_done()
    taken = the_round.look()
    assert taken.problems == () and len(taken.given) == 4


def test_the_scans_of_the_project_are_no_labels(the_round):
    the_round.draw("p01")
    the_round.draw("p02")
    scans = the_round.folder.parent / "scans"
    scans.mkdir()
    for case in ("p01", "p02"):
        (scans / f"{case}.nii.gz").write_bytes(b"the scan")
    the_round.say_all_done()
    taken = the_round.look(the_round.folder.parent)
    assert taken.problems == () and len(taken.given) == 4


def test_no_other_patient_is_suggested(the_round):
    elsewhere = {"p03": "it was asked for in round 1 (--round)", "p04": ""}
    for name in ("p03.nii.gz", "p04_seg.nii.gz", "p05.nii.gz", "pp01.nii.gz"):
        (the_round.labels / name).write_bytes(b"x")
    assert the_round.look(elsewhere=elsewhere).problems == (
        "segmentations/p03.nii.gz: p03 is a scan of the project, but not of this round; it was asked for in round 1 "
        "(--round).",
        "segmentations/p04_seg.nii.gz: p04 is a scan of the project, but not of this round.",
        "segmentations/p05.nii.gz: its name is that of no case of this round (p01, p02).",
        "segmentations/pp01.nii.gz: its name is that of no case of this round (p01, p02). Did you mean p01?",
    )
