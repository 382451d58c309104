"""Segmentations of 3D Slicer, and label maps in other orders and orientations, against the labels that they hold."""

from __future__ import annotations

import gzip
import shutil

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from alseg_core.vocabulary import StoredAxes
from bench.project.manifest import Manifest, values_of
from tests.bench.project.returns.rounds import CLASSES, Round, asked, scan_of, truth_of

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of(scan):
    """From stored indices to (left, posterior, superior)."""
    return LPS @ np.array(scan.affine)


def stored_truth(scan, labels):
    """Labels (D, H, W) along the stored axes, by a loop over the voxels."""
    stored = np.zeros(scan.shape, np.uint8)
    for z, y, x in np.ndindex(labels.shape):
        place = [0, 0, 0]
        for along, axis, flipped in zip((z, y, x), scan.axes.order, scan.axes.flipped, strict=True):
            place[axis] = scan.shape[axis] - 1 - along if flipped else along
        stored[tuple(place)] = labels[z, y, x]
    return stored


def box_of(stored):
    """First and last + 1 index of what is drawn, along each axis."""
    return [(int(at.min()), int(at.max()) + 1) for at in np.nonzero(stored)]


def cropped_to(stored, affine, box):
    part = stored[tuple(slice(*ends) for ends in box)]
    moved = affine.copy()
    moved[:3, 3] = (affine @ [*(start for start, _ in box), 1.0])[:3]
    return part, moved


def write_segments(path, stored, affine, names=CLASSES):
    segments = [
        {"id": f"s{value}", "name": names[value], "labelValue": value, "layer": 0} for value in range(1, len(CLASSES))
    ]
    slicerio.write_segmentation(
        str(path), {"voxels": stored, "ijkToLPS": affine, "segments": segments, "encoding": "gzip"}
    )


def whole(path, scan, stored):
    write_segments(path, stored, affine_of(scan))


def cropped(path, scan, stored):
    write_segments(path, *cropped_to(stored, affine_of(scan), box_of(stored)))


def larger(path, scan, stored):
    affine = affine_of(scan)
    padded = np.pad(stored, 3)
    affine[:3, 3] = (affine @ [-3, -3, -3, 1])[:3]
    write_segments(path, padded, affine)


def turned_and_cropped(path, scan, stored):
    """Axes (k, -i, j) of the scan."""
    part, affine = cropped_to(stored, affine_of(scan), box_of(stored))
    turn = np.zeros((4, 4))  # from the indices of the file to those of the part
    turn[2, 0], turn[0, 1], turn[1, 2], turn[3, 3] = 1, -1, 1, 1
    turn[0, 3] = part.shape[0] - 1
    write_segments(path, part.transpose(2, 0, 1)[:, ::-1, :], affine @ turn)


def in_ras(path, scan, stored):
    part, affine = cropped_to(stored, np.array(scan.affine), box_of(stored))
    header = {
        "space": "right-anterior-superior",
        "kinds": ["domain"] * 3,
        "space directions": affine[:3, :3].T,
        "space origin": affine[:3, 3],
        "encoding": "gzip",
    }
    for number in range(1, len(CLASSES)):
        header[f"Segment{number - 1}_ID"] = f"s{number}"
        header[f"Segment{number - 1}_Name"] = CLASSES[number].upper()
        header[f"Segment{number - 1}_LabelValue"] = str(number)
        header[f"Segment{number - 1}_Layer"] = "0"
    nrrd.write(str(path), part, header)


def itk_image(scan, stored):
    affine, image = affine_of(scan), sitk.GetImageFromArray(stored.transpose(2, 1, 0))
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    return image


def by_simpleitk(path, scan, stored):
    image = itk_image(scan, stored)
    for number in range(1, len(CLASSES)):
        image.SetMetaData(f"Segment{number - 1}_ID", f"s{number}")
        image.SetMetaData(f"Segment{number - 1}_Name", CLASSES[number])
        image.SetMetaData(f"Segment{number - 1}_LabelValue", str(number))
        image.SetMetaData(f"Segment{number - 1}_Layer", "0")
    box = box_of(stored)
    part = sitk.RegionOfInterest(image, [b - a for a, b in box], [a for a, _ in box])
    for key in image.GetMetaDataKeys():
        part.SetMetaData(key, image.GetMetaData(key))
    sitk.WriteImage(part, str(path), useCompression=True)


def layers(path, scan, stored):
    """Each segment in a layer of its own, in another order than that of the classes, all with the value 1."""
    order = [2, 3, 1]
    voxels = np.stack([(stored == number).astype(np.uint8) for number in order])
    segments = [
        {"id": f"s{number}", "name": CLASSES[number], "labelValue": 1, "layer": layer}
        for layer, number in enumerate(order)
    ]
    slicerio.write_segmentation(str(path), {"voxels": voxels, "ijkToLPS": affine_of(scan), "segments": segments})


def counted_up(path, scan, stored):
    """Values as slicerio, like 3D Slicer, counts them up in the order in which the segments were made."""
    made = slicerio.create_segmentation(stored.shape, affine_of(scan))
    for number in (3, 1, 2):
        slicerio.add_segment(made, stored == number, {"id": f"s{number}", "name": CLASSES[number]})
    slicerio.write_segmentation(str(path), made)


def named_after_the_file(path, scan, stored):
    write_segments(path, stored, affine_of(scan), names=[f"{scan.case}_{number}" for number in range(4)])


@pytest.mark.parametrize("case", ["p01", "p02"])
@pytest.mark.parametrize(
    "write",
    [
        whole, cropped, larger, turned_and_cropped, in_ras, by_simpleitk, layers, counted_up,
        named_after_the_file,
    ],
)  # fmt: skip
def test_segments_lie_where_they_were_drawn(the_round, case, write):
    scan, labels = the_round.manifest.scan(case), truth_of(the_round.manifest, case)
    write(the_round.labels / f"{case}.seg.nrrd", scan, stored_truth(scan, labels))
    the_round.say_all_done(cases=(case,))
    taken = the_round.look()
    assert taken.problems == ()
    assert [(one.case, one.z) for one in taken.given] == [(case, z) for z in the_round.manifest.wanted(case)]
    for one in taken.given:
        np.testing.assert_array_equal(one.labels, labels[one.z])
        assert one.labels.dtype == np.uint8 and one.round == 1


def test_every_voxel_is_where_simpleitk_has_it(the_round):
    """The positions in mm of all voxels of a class, from the file as SimpleITK reads it and from what was taken."""
    scan, labels = the_round.manifest.scan("p02"), truth_of(the_round.manifest, "p02")
    path = the_round.labels / "p02.seg.nrrd"
    turned_and_cropped(path, scan, stored_truth(scan, labels))
    the_round.say_all_done(cases=("p02",))
    taken = the_round.look(done="all", keep_others=True)
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    theirs = [image.TransformIndexToPhysicalPoint([int(i) for i in at[::-1]]) for at in np.argwhere(array == 2)]
    whole_ = np.stack([one.labels for one in taken.given])
    assert [one.z for one in taken.given] == list(range(scan.depth))
    grid = itk_image(scan, scan.axes.write(whole_))
    back = sitk.GetArrayFromImage(grid)
    ours = [grid.TransformIndexToPhysicalPoint([int(i) for i in at[::-1]]) for at in np.argwhere(back == 2)]
    assert len(ours) > 20
    np.testing.assert_allclose(sorted(ours), sorted(theirs), atol=1e-4)


def plain_nrrd(path, scan, stored):
    sitk.WriteImage(itk_image(scan, stored), str(path))


def turned_nrrd(path, scan, stored):
    sitk.WriteImage(sitk.PermuteAxes(itk_image(scan, stored), [2, 0, 1])[::-1, :, ::-1], str(path))


@pytest.mark.parametrize("case", ["p01", "p02"])
@pytest.mark.parametrize(
    ("write", "name"),
    [
        (plain_nrrd, "{}.nrrd"),
        (turned_nrrd, "{}-label.nrrd"),
        (plain_nrrd, "{}.nii.gz"),
        (turned_nrrd, "{}_seg.nii.gz"),
        (turned_nrrd, "{}.nii"),
    ],
)
def test_label_maps_of_itk(the_round, case, write, name):
    scan, labels = the_round.manifest.scan(case), truth_of(the_round.manifest, case)
    write(the_round.labels / name.format(case), scan, stored_truth(scan, labels))
    the_round.say_all_done(cases=(case,))
    taken = the_round.look()
    assert taken.problems == ()
    assert len(taken.given) == 2
    for one in taken.given:
        np.testing.assert_array_equal(one.labels, labels[one.z])


@pytest.mark.parametrize("kind", ["mask", "scribble"])
def test_an_empty_segmentation_is_a_single_voxel_anywhere(make_round, kind):
    the_round = make_round(kind)
    content = {"voxels": np.zeros((1, 1, 1), np.uint8), "ijkToLPS": np.eye(4), "segments": []}
    slicerio.write_segmentation(str(the_round.labels / "p01.seg.nrrd"), content)
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    if kind == "mask":
        assert taken.problems == () and [one.z for one in taken.given] == [1, 3]
        assert not any(one.labels.any() for one in taken.given)
        assert "everything there is background" in " ".join(taken.notes)
    else:
        assert taken.given == () and "nothing is marked there" in taken.problems[0]


@pytest.mark.parametrize("end", [".nii.gz", ".seg.nrrd"])
def test_scribbles_have_background_strokes(make_round, end):
    the_round = make_round("scribble")
    scan = the_round.manifest.scan("p02")
    drawn = np.full((scan.depth, *scan.size), 255, np.uint8)
    drawn[2, 1, :4], drawn[2, 3, 2:], drawn[0, 2, 2] = 0, 1, 3
    values = np.choose(np.where(drawn == 255, 4, drawn), [4, 1, 2, 3, 0]).astype(np.uint8)
    path = the_round.labels / f"p02{end}"
    if end == ".nii.gz":
        nibabel.save(nibabel.Nifti1Image(scan.axes.write(values), np.array(scan.affine)), path)
    else:  # background is the first segment that was made, so it has the value of the liver
        made = slicerio.create_segmentation(scan.shape, affine_of(scan))
        for number in (0, 1, 3):
            inside = scan.axes.write(drawn == number)
            slicerio.add_segment(made, inside, {"id": f"s{number}", "name": CLASSES[number]})
        slicerio.write_segmentation(str(path), made)
    the_round.say_all_done(cases=("p02",))
    taken = the_round.look()
    assert taken.problems == ()
    assert [one.z for one in taken.given] == [0, 2]
    for one in taken.given:
        np.testing.assert_array_equal(one.labels, drawn[one.z])


def test_values_by_name_are_said(the_round):
    scan, labels = the_round.manifest.scan("p01"), truth_of(the_round.manifest, "p01")
    counted_up(the_round.labels / "p01.seg.nrrd", scan, stored_truth(scan, labels))
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert "segment 'kidney' counts as kidney, by its name" in " ".join(taken.notes)


def test_segments_may_overlap_where_nothing_is_asked(the_round):
    scan = the_round.manifest.scan("p01")
    stored = np.zeros((2, *scan.shape), np.uint8)
    stored[0, :4, 2, :], stored[1, 3:, 2, 4] = 1, 1  # they meet on slice 4
    segments = [{"id": f"s{layer}", "name": CLASSES[layer + 1], "labelValue": 1, "layer": layer} for layer in (0, 1)]
    content = {"voxels": stored, "ijkToLPS": affine_of(scan), "segments": segments}
    slicerio.write_segmentation(str(the_round.labels / "p01.seg.nrrd"), content)
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == () and len(taken.given) == 2
    taken = the_round.look(keep_others=True)
    assert "segments overlap on slice 4 (1 voxels)" in taken.problems[0]


def test_a_header_whose_entries_differ_is_read_as_the_scan_was(the_round):
    """Of the sform and the qform, that of the scan counts; otherwise it is a problem."""
    scan, labels = the_round.manifest.scan("p01"), truth_of(the_round.manifest, "p01")
    file = nibabel.Nifti1Image(scan.axes.write(labels), np.array(scan.affine))
    moved = np.array(scan.affine)
    moved[:3, 3] += 40
    file.set_qform(moved, code=1)
    file.set_sform(np.array(scan.affine), code=2)
    nibabel.save(file, the_round.labels / "p01.nii.gz")
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == () and len(taken.given) == 2
    np.testing.assert_array_equal(taken.given[0].labels, labels[1])
    file.set_sform(moved + np.diag([0.0, 0, 0, 0]) + np.eye(4, k=3) * 3, code=2)
    nibabel.save(file, the_round.labels / "p01.nii.gz")
    taken = the_round.look()
    assert taken.given == () and "the qform and the sform" in taken.problems[0]


def test_uncompressed_content_under_a_compressed_name(the_round):
    labels = the_round.draw("p01")
    path = the_round.labels / "p01.nii.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == ()
    np.testing.assert_array_equal(taken.given[1].labels, labels[3])


@pytest.mark.parametrize("name", ["Segmentation.seg.nrrd", "SegmentationOverlapping.seg.nrrd"])
def test_files_that_3d_slicer_has_saved(tmp_path, name):
    """Against SimpleITK's voxels and the segments in the header."""
    source = slicerio.get_testdata_file(name)
    found = slicerio.read_segmentation(source)
    array = sitk.GetArrayFromImage(sitk.ReadImage(source))
    array = array if array.ndim == 4 else array[..., None]  # (z, y, x, layer)
    affine = LPS @ found["ijkToLPS"]
    names = [segment["name"] for segment in found["segments"]]
    scan = scan_of("chest", (128, 128, 34), affine, StoredAxes())
    inside = [array[..., segment.get("layer", 0)] == segment["labelValue"] for segment in found["segments"]]
    clear = [z for z in range(34) if (np.sum([part[z] for part in inside], axis=0) < 2).all()][::5]
    classes = ("background", *names)
    numbers, unmarked = values_of("mask", len(classes))
    manifest = Manifest("chest", 0, "mask", classes, numbers, unmarked, (scan,), tuple(asked("chest", clear)))
    the_round = Round(manifest, tmp_path / "round_00")
    (the_round.labels / "chest").mkdir(parents=True)
    shutil.copy(source, the_round.labels / "chest" / "Segmentation.seg.nrrd")
    the_round.say_all_done(cases=("chest",))
    taken = the_round.look()
    assert taken.problems == () and [one.z for one in taken.given] == clear and len(clear) > 2
    for one in taken.given:
        wanted = sum((number * part[one.z] for number, part in enumerate(inside, start=1)), np.zeros((128, 128), int))
        np.testing.assert_array_equal(one.labels, wanted)
    assert any(one.labels.any() for one in taken.given)
