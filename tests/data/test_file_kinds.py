"""Kinds of NIfTI folders as they come from scanners, converters and people: each is read rightly or refused clearly."""

from __future__ import annotations

import gzip
import shutil
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from alseg_core.data.prepare import Prepare, prepare, verify
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.data.readers.reader import problems_of
from alseg_core.errors import DataError
from alseg_core.store import Store
from alseg_core.vocabulary import Volume

LPS = np.diag([-1.5, -1.25, 5.0, 1.0])
"""Columns of 1.5 mm to the left, rows of 1.25 mm to the back, slices of 5 mm upwards."""
SHAPE = (12, 10, 6)
"""Columns, rows, slices."""
NAMES = ("p00", "p01", "p02", "p03")
ODD = "p02"
"""The case that is changed."""
Change = Callable[[Path], object]


def voxels(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and label of a case, (columns, rows, slices); no axis of them is symmetric."""
    rng = np.random.default_rng(NAMES.index(name))
    label = np.zeros(SHAPE, np.uint8)
    label[2:7, 1:4, 1:3], label[8:11, 5:9, 2:5] = 1, 2
    return (100 * label + rng.random(SHAPE)).astype(np.float32), label


def put(path: Path, array: np.ndarray, affine: np.ndarray | None = LPS) -> None:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, index in (("images", 0), ("labels", 1)):
        (tmp_path / "mine" / part).mkdir(parents=True)
        for name in NAMES:
            put(tmp_path / "mine" / part / f"{name}.nii.gz", voxels(name)[index])
    return tmp_path / "mine"


def both(folder: Path) -> list[Path]:
    return [folder / part / f"{ODD}.nii.gz" for part in ("images", "labels")]


def read(folder: Path, **fields: Any) -> tuple[dict[str, Volume], list[str]]:
    """Every volume that can be read, and all problems."""
    reader = READERS.build({"name": "nifti_folder", "labels": [0, 1, 2], **fields})
    problems: list[str] = []
    volumes = {}
    try:
        refs = reader.scan(folder)
    except DataError as error:
        problems, refs = problems_of(error), list(getattr(error, "usable", ()))
    for ref in refs:
        try:
            volumes[ref.case] = reader.load(ref)
            verify(volumes[ref.case], ref, reader.labels)
        except DataError as error:
            problems += problems_of(error)
    return volumes, problems


def turned(*, names: tuple[str, ...] = NAMES, order: str = "SPL") -> Change:
    """Store scans with other axes; their voxels lie at the same places as before."""

    def change(folder: Path) -> None:
        for name in names:
            for part in ("images", "labels"):
                path = folder / part / f"{name}.nii.gz"
                file = nibabel.load(path)
                ours = nibabel.io_orientation(file.affine)
                steps = nibabel.orientations.ornt_transform(ours, nibabel.orientations.axcodes2ornt(order))
                nibabel.save(file.as_reoriented(steps), path)

    return change


def header(offset: int, form: str, *values: float, files: slice = slice(None)) -> Change:
    """Write numbers into the header of the odd case, past the checks of the library."""

    def change(folder: Path) -> None:
        for path in both(folder)[files]:
            content = bytearray(gzip.decompress(path.read_bytes()))
            struct.pack_into(form, content, offset, *values)
            path.write_bytes(gzip.compress(bytes(content)))

    return change


def placed(affine: np.ndarray | None, parts: tuple[str, ...] = ("images", "labels"), unit: str = "mm") -> Change:
    def change(folder: Path) -> None:
        for part in parts:
            path = folder / part / f"{ODD}.nii.gz"
            file = nibabel.Nifti1Image(np.asanyarray(nibabel.load(path).dataobj), affine)
            file.header.set_xyzt_units(unit)
            nibabel.save(file, path)

    return change


def qform(affine: np.ndarray) -> Change:
    def change(folder: Path) -> None:
        file = nibabel.load(folder / f"images/{ODD}.nii.gz")
        image = nibabel.Nifti1Image(np.asanyarray(file.dataobj), LPS)
        image.set_qform(affine, 1, strip_shears=False)
        image.header["pixdim"][1:4] = (1.5, 1.25, 5.0)
        nibabel.save(image, folder / f"images/{ODD}.nii.gz")

    return change


def moved(by: tuple[float, float, float]) -> np.ndarray:
    affine = LPS.copy()
    affine[:3, 3] = by
    return affine


def rotated(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ LPS


SHEARED = LPS.copy()
SHEARED[0, 2] = 2.0


def tilted(folder: Path) -> None:
    file = nibabel.load(folder / f"images/{ODD}.nii.gz")
    image = nibabel.Nifti1Image(np.asanyarray(file.dataobj), SHEARED)
    image.set_qform(LPS, 1)
    image.header["pixdim"][1:4] = np.linalg.norm(SHEARED[:3, :3], axis=0)
    nibabel.save(image, folder / f"images/{ODD}.nii.gz")


def swivelled(*degrees: float) -> Change:
    """Turn the scans about their slice axis, the first ones by the first angle, the others by the second."""

    def change(folder: Path) -> None:
        for number, name in enumerate(NAMES):
            put(folder / f"images/{name}.nii.gz", voxels(name)[0], rotated(degrees[number // 2]))

    return change


READ: list[tuple[str, Change, dict[str, Any]]] = [
    ("sound", lambda folder: None, {}),
    ("spacing_of_the_affine_is_rounded_in_pixdim", header(80, "<3f", 1.5001, 1.2499, 5.0), {}),
    ("negative_pixdim", header(80, "<3f", -1.5, -1.25, 5.0), {}),
    ("pixdim_0_beside_an_affine", header(80, "<3f", 0, 0, 0), {}),
    ("handedness_unwritten", header(76, "<f", 0), {}),
    ("pixdim_1_where_sform_is_right", header(80, "<3f", 1, 1, 1), {"geometry": "sform"}),
    ("qform_equals_sform", qform(LPS), {}),
    ("qform_differs_where_sform_is_right", qform(moved((9, 0, 0))), {"geometry": "sform"}),
    ("affine_in_metres", placed(np.diag([-0.0015, -0.00125, 0.005, 1.0]), unit="meter"), {}),
    ("affine_in_microns", placed(np.diag([-1500.0, -1250.0, 5000.0, 1.0]), unit="micron"), {}),
    ("unit_unknown", header(123, "<b", 0), {}),
    ("oblique_scans_that_differ_a_little", swivelled(40, 50), {"trust_grid": True}),
    ("labels_without_a_position", placed(np.eye(4), ("labels",)), {}),
    ("labels_0.4_voxels_off", placed(moved((0.6, 0, 2)), ("labels",)), {}),
    ("labels_far_off_but_trusted", placed(moved((60, -45, 20)), ("labels",)), {"trust_grid": True}),
    ("all_stored_sagittal_first_turned_to_the_coarsest", turned(), {"slice_axis": "coarsest"}),
    ("all_stored_sagittal_first_turned_to_axial", turned(), {"slice_axis": "axial"}),
    ("all_stored_sagittal_first_turned_to_the_first", turned(), {"slice_axis": "first"}),
    ("all_stored_coronal_turned_to_axial", turned(order="RSA"), {"slice_axis": "axial"}),
    ("a_mix_turned_to_axial", turned(names=NAMES[:2]), {"slice_axis": "axial"}),
    ("a_mix_turned_to_the_coarsest", turned(names=NAMES[:2], order="IAR"), {"slice_axis": "coarsest"}),
    ("mirrored_scans_turned_to_axial", turned(names=NAMES[:2], order="RAS"), {"slice_axis": "axial"}),
    ("mirrored_scans_turned_to_the_second", turned(order="ASR"), {"slice_axis": "second"}),
    ("upper_case_suffix", lambda folder: [p.rename(p.with_name("p02.NII.GZ")) for p in both(folder)], {}),
    ("one_upper_case_suffix", lambda folder: both(folder)[1].rename(folder / "labels/p02.Nii.Gz"), {}),
    ("gzip_without_its_suffix", lambda folder: [p.rename(p.with_name("p02.nii")) for p in both(folder)], {}),
    (
        "plain_with_the_suffix_of_gzip",
        lambda folder: [p.write_bytes(gzip.decompress(p.read_bytes())) for p in both(folder)],
        {},
    ),
    ("files_of_the_system", lambda folder: (folder / "images/._p02.nii.gz").write_bytes(b"\0\5\x16\7"), {}),
    ("notes_beside_the_scans", lambda folder: (folder / "labels/readme.txt").write_text("by J."), {}),
    ("one_time_point_of_4d", lambda folder: put(both(folder)[0], voxels(ODD)[0][..., None]), {}),
    ("labels_rounded", lambda folder: put(both(folder)[1], voxels(ODD)[1] * np.float32(0.9999)), {}),
    ("labels_as_double", lambda folder: put(both(folder)[1], voxels(ODD)[1].astype(np.float64)), {}),
]
"""Kind, how to make it, fields of the reader: every case is read as the sound one."""


@pytest.mark.parametrize(("change", "fields"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_the_kind_is_read_as_it_is_meant(folder: Path, change: Change, fields: dict[str, Any]) -> None:
    change(folder)
    volumes, problems = read(folder, **fields)
    assert not problems
    assert list(volumes) == list(NAMES)
    for name, volume in volumes.items():
        image, label = voxels(name)
        assert volume.spacing_mm == pytest.approx((5.0, 1.25, 1.5), rel=1e-3)
        np.testing.assert_array_equal(volume.image, image.transpose(2, 1, 0))
        np.testing.assert_array_equal(volume.mask, label.transpose(2, 1, 0))


def nested(folder: Path) -> None:
    (folder / "images/more").mkdir()
    for path in both(folder):
        path.rename(folder / "images/more" / f"{path.parent.name}.nii.gz")


def pair(folder: Path) -> None:
    for path in both(folder):
        file = nibabel.load(path)
        nibabel.save(nibabel.Nifti1Pair(np.asanyarray(file.dataobj), file.affine), path.with_name("p02.img"))
        path.unlink()


def suffixed_folder(folder: Path) -> None:
    (folder / "images/p9.nii").mkdir()
    put(folder / "images/p9.nii/a.nii", voxels(ODD)[0])


def channels(folder: Path) -> None:
    for path in sorted((folder / "images").iterdir()):
        name = path.name.removesuffix(".nii.gz")
        shutil.copy(path, path.with_name(f"{name}_0001.nii.gz"))
        path.rename(path.with_name(f"{name}_0000.nii.gz"))


ANY_P = "(?i:(?P<patient>p[0-9]+).*)"
REFUSED: list[tuple[str, Change, dict[str, Any], str]] = [
    ("sagittal_first", turned(), {}, "third stored axis (1.5 mm), but the first is clearly the coarsest (5 mm)"),
    ("sagittal_first_says_what_to_do", turned(), {}, "slice_axis: axial turns all scans alike, third takes them"),
    ("a_mix", turned(names=NAMES[:2]), {}, "point in different directions: SPL p00, p01; LPS p02, p03."),
    ("mirrored_scans", turned(names=NAMES[:2], order="RAS"), {}, "different directions: RAS p00, p01; LPS p02, p03."),
    ("two_planes", turned(names=(ODD,), order="SPL"), {"slice_axis": "first"}, "point in different directions"),
    (
        "no_axis_is_the_coarsest",
        placed(np.diag([-1.5, -1.25, 1.5, 1.0])),
        {"slice_axis": "coarsest"},
        "no axis of 1.5 x 1.25 x 1.5 mm (z, y, x) is clearly the coarsest; name the plane, such as axial.",
    ),
    ("no_directions", placed(None), {"slice_axis": "axial"}, "needs the directions of the axes"),
    ("pixdim_1", header(80, "<3f", 1, 1, 1), {}, "5 x 1.25 x 1.5 mm in the sform, 1 x 1 x 1 mm in pixdim"),
    ("pixdim_2_percent_off", header(80, "<3f", 1.53, 1.25, 5), {}, "two spacings (z, y, x)"),
    ("pixdim_0_alone", lambda f: (header(252, "<2h", 0, 0)(f), header(80, "<3f", 0, 0, 0)(f)), {}, "must be positive"),
    ("pixdim_nan_alone", lambda f: (header(252, "<2h", 0, 0)(f), header(80, "<f", np.nan)(f)), {}, "must be positive"),
    ("sform_of_zeros", header(280, "<12f", *[0] * 12), {}, "no affine that can be inverted"),
    ("sheared", placed(SHEARED), {}, "not at right angles (112 degrees between two of them, in the sform)"),
    ("qform_moved", qform(moved((9, 0, 0))), {}, "up to 6 voxels apart"),
    ("qform_mirrored", qform(np.diag([1.5, -1.25, 5, 1])), {}, "the qform and the sform of its header place it up to"),
    ("another_plane_than_the_coarse_one", lambda f: None, {"slice_axis": "sagittal"}, "slice_axis: axial turns all"),
    ("tilted_with_a_qform", tilted, {}, "not at right angles (112 degrees between two of them, in the sform)"),
    ("no_sform_where_it_is_named", placed(None), {"geometry": "sform"}, "has no sform that places the scan; it has"),
    ("moved_labels_of_named_pixdim", placed(moved((60, 0, 0)), ("labels",)), {"geometry": "pixdim"}, "origin (60, 0"),
    ("labels_moved", placed(moved((60, -45, 20)), ("labels",)), {}, "origin (60, -45, 20) mm differs from (0, 0, 0)"),
    ("labels_rotated", placed(rotated(10), ("labels",)), {}, "its rotation differs, by up to 2.3 voxels, from that of"),
    ("labels_mirrored", placed(np.diag([1.5, -1.25, 5, 1]), ("labels",)), {}, "axes R, P, S differ from L, P, S"),
    ("labels_0.6_voxels_off", placed(moved((0.9, 0, 0)), ("labels",)), {}, "by up to 0.6 voxels"),
    ("labels_of_other_spacing", placed(np.diag([-1.5, -1.3, 5, 1]), ("labels",)), {}, "spacing 5 x 1.3 x 1.5 mm"),
    ("labels_in_metres", placed(LPS, ("labels",), "meter"), {}, "xyzt_units"),
    ("millimetres_called_metres", placed(LPS, unit="meter"), {}, "measure 5000 x 1250 x 1500 mm (z, y, x)"),
    ("metres_called_millimetres", placed(LPS @ np.diag([0.001] * 3 + [1])), {}, "longest side of the scan 0.03 mm"),
    ("a_folder_in_the_folder", nested, {}, "2 of its files may hold scans and are not read: images/more/images.nii.gz"),
    ("header_and_image_apart", pair, {}, "are not read: images/p02.hdr, images/p02.img."),
    ("another_format", lambda f: (f / "images/p09.nrrd").write_bytes(b"NRRD"), {}, "not read: images/p09.nrrd"),
    ("a_folder_with_the_suffix", suffixed_folder, {}, "not read: images/p9.nii/a.nii"),
    ("a_link_to_nothing", lambda f: (f / "images/p09.nii.gz").symlink_to("gone"), {}, "not read: images/p09.nii.gz"),
    ("other_case", lambda f: both(f)[0].rename(f / "images/P02.nii.gz"), {}, "p02 differs in upper and lower case"),
    ("addition", lambda f: both(f)[1].rename(f / "labels/p02_seg.nii.gz"), {}, "without additions such as that"),
    ("channels", channels, {}, "it looks like channel 0001 of its scan, and one channel of a scan is read"),
    ("several_time_points", lambda f: put(both(f)[0], np.stack([voxels(ODD)[0]] * 2, -1)), {}, "expected a 3D volume"),
    ("labels_interpolated", lambda f: put(both(f)[1], voxels(ODD)[1] * np.float32(0.49)), {}, "whole number: 0.49, 0"),
    ("labels_unknown", lambda f: put(both(f)[1], voxels(ODD)[1] * np.uint8(3)), {}, "unknown label value 3, 6; known"),
    ("patients_alike", lambda f: [p.rename(p.with_name("P1_x.nii.gz")) for p in both(f)], {"pattern": ANY_P},
     "patients 'P1' and 'p01' differ in upper and lower case, blanks or leading zeros only"),
]  # fmt: skip
"""Kind, how to make it, fields of the reader, and part of the message."""


@pytest.mark.parametrize(
    ("change", "fields", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_the_kind_is_refused_with_what_is_wrong(
    folder: Path, change: Change, fields: dict[str, Any], words: str
) -> None:
    change(folder)
    _, problems = read(folder, **fields)
    assert any(words in problem for problem in problems), problems
    assert all(str(folder) in problem or "patient" in problem for problem in problems)


def test_as_stored_is_taken_where_the_third_axis_is_named(folder: Path) -> None:
    turned()(folder)
    volumes, problems = read(folder, slice_axis="third")
    assert not problems
    assert volumes[ODD].image.shape == (12, 10, 6) and volumes[ODD].spacing_mm == (1.5, 1.25, 5.0)


@pytest.mark.parametrize(
    ("axis", "shape"), [("first", (6, 10, 12)), ("coarsest", (6, 10, 12)), ("second", (10, 12, 6))]
)
def test_axes_are_turned_without_directions_in_the_header(folder: Path, axis: str, shape: tuple[int, ...]) -> None:
    for name in NAMES:
        for part, array in zip(("images", "labels"), voxels(name), strict=True):
            file = nibabel.Nifti1Image(array.transpose(2, 1, 0), None)
            file.header.set_zooms((5.0, 1.25, 1.5))
            nibabel.save(file, folder / part / f"{name}.nii.gz")
    volumes, problems = read(folder, slice_axis=axis)
    assert not problems and volumes[ODD].image.shape == shape
    if axis != "second":
        np.testing.assert_array_equal(volumes[ODD].mask, voxels(ODD)[1].transpose(2, 1, 0))


@pytest.mark.parametrize(("plane", "order"), [("axial", "LPS"), ("coronal", "LIP"), ("sagittal", "PIL")])
def test_a_plane_lies_as_on_a_screen_however_it_is_stored(folder: Path, plane: str, order: str) -> None:
    fine = np.diag([-1.5, -1.25, 1.25, 1.0])
    for name in NAMES:
        for part, array in zip(("images", "labels"), voxels(name), strict=True):
            put(folder / part / f"{name}.nii.gz", array, fine)
    turned(names=NAMES[:2], order="SAR")(folder)
    volumes, problems = read(folder, slice_axis=plane)
    assert not problems
    file = nibabel.Nifti1Image(voxels("p00")[0], fine)
    steps = nibabel.orientations.ornt_transform(nibabel.io_orientation(fine), nibabel.orientations.axcodes2ornt(order))
    expected = np.asanyarray(file.as_reoriented(steps).dataobj).transpose(2, 1, 0)
    np.testing.assert_array_equal(volumes["p00"].image, expected)


def test_labels_go_back_to_the_axes_of_the_file(folder: Path) -> None:
    square = (10, 10, 6)
    for name in NAMES:
        for part, array in zip(("images", "labels"), voxels(name), strict=True):
            put(folder / part / f"{name}.nii.gz", array[:10], np.diag([-1.5, -1.5, 5.0, 1.0]))
    turned(order="SAL")(folder)
    reader = READERS.build({"name": "nifti_folder", "labels": [0, 1, 2], "slice_axis": "axial"})
    path = prepare(reader, folder, Prepare(size=10, order=0), Store(folder.parent / "store"))
    prepared = Prepared.open(path)
    masks = np.load(path / "labels/masks.npy").reshape(len(NAMES), 6, 10, 10)
    for mask, name in zip(masks, NAMES, strict=True):
        info = prepared.info(name)
        stored = np.asanyarray(nibabel.load(folder / f"labels/{name}.nii.gz").dataobj)
        assert stored.shape == (6, 10, 10) and sorted(square) == sorted(stored.shape)
        np.testing.assert_array_equal(info.to_stored(mask), stored)
        for z in range(info.depth):
            axis, index = info.axes.locate(z, info.depth)
            assert stored.take(index, axis).sum() == mask[z].sum()


def test_names_that_differ_in_their_form_of_unicode_belong_together(folder: Path) -> None:
    image, label = both(folder)
    image.rename(image.with_name(unicodedata.normalize("NFC", "müller.nii.gz")))
    label.rename(label.with_name(unicodedata.normalize("NFD", "müller.nii.gz")))
    volumes, problems = read(folder)
    assert not problems and "m\u00fcller" in volumes
    np.testing.assert_array_equal(volumes["m\u00fcller"].mask, voxels(ODD)[1].transpose(2, 1, 0))


def test_what_is_not_read_is_listed(folder: Path) -> None:
    (folder / "images/.DS_Store").write_bytes(b"x")
    (folder / "labels/readme.txt").write_text("by J.")
    (folder / "masks").mkdir()
    reader: Any = READERS.build({"name": "nifti_folder", "labels": [0, 1, 2]})
    assert reader.notes(folder) == [
        "not read: images/.DS_Store",
        "not read: labels/readme.txt",
        "not read, beside images/: masks/",
        "patients are identified by: file names",
    ]
