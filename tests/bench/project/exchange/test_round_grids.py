"""Label files lie on exactly the grid of their scan, as nibabel and ITK read them."""

from __future__ import annotations

from collections.abc import Callable

import nibabel
import numpy as np
import pytest
import SimpleITK

from bench.project.exchange import write_round
from tests.bench.project.exchange.small_projects import BARE, FIRST, OBLIQUE, SHAPES, Project, scan_of, write_scan

FIELDS = ("sform_code", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "srow_y", "srow_z")


@pytest.mark.parametrize("case", [OBLIQUE, FIRST, BARE])
def test_empty_labels_on_the_grid_of_the_scan(project: Callable[..., Project], case: str) -> None:
    made = project(cases=(case,))
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    path = made.round / "segmentations" / f"{case}.nii.gz"
    image, labels = nibabel.load(made.image(case)), nibabel.load(path)
    assert labels.shape == SHAPES[case]
    assert labels.get_data_dtype() == np.uint16
    assert not np.asarray(labels.dataobj).any()
    np.testing.assert_array_equal(labels.header["pixdim"][:4], image.header["pixdim"][:4])
    for field in FIELDS:
        np.testing.assert_array_equal(labels.header[field], image.header[field], field)
    theirs, ours = SimpleITK.ReadImage(str(made.image(case))), SimpleITK.ReadImage(str(path))
    assert ours.GetSize() == theirs.GetSize()
    assert ours.GetSpacing() == theirs.GetSpacing()
    assert ours.GetOrigin() == theirs.GetOrigin()
    assert ours.GetDirection() == theirs.GetDirection()
    assert ours.GetPixelID() == SimpleITK.sitkUInt16


@pytest.mark.parametrize(("kind", "order"), [(nibabel.Nifti2Image, "<"), (nibabel.Nifti1Image, ">")])
def test_scans_of_the_other_version_and_byte_order(project: Callable[..., Project], kind: type, order: str) -> None:
    made = project(cases=(OBLIQUE,))
    write_scan(made.image(OBLIQUE), OBLIQUE, kind, order)
    assert scan_of(made.image(OBLIQUE), OBLIQUE, "").shape == SHAPES[OBLIQUE]
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    labels = nibabel.load(made.round / "segmentations" / f"{OBLIQUE}.nii.gz")
    np.testing.assert_allclose(labels.affine, nibabel.load(made.image(OBLIQUE)).affine, atol=1e-5)
    assert labels.shape == SHAPES[OBLIQUE]
