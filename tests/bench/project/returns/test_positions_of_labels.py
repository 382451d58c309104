"""Where labels are put: cropped files, files a little off, and files whose header tells no position."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import nrrd
import numpy as np
import pytest

from tests.bench.project.returns.rounds import Round, truth_of

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def placed_part(the_round, case):
    """Stored labels without their outermost voxels (which are background), the corner cut off, and where they lie."""
    scan = the_round.manifest.scan(case)
    stored = scan.axes.write(truth_of(the_round.manifest, case))
    affine = np.array(scan.affine)
    affine[:3, 3] = (affine @ [1, 1, 1, 1])[:3] if case == "p02" else (affine @ [1, 1, 0, 1])[:3]
    part = stored[1:, 1:-1, 1:] if case == "p02" else stored[1:-1, 1:-1]
    return part, affine


def write(path, part, affine):
    if path.suffix == ".nrrd":
        lps = LPS @ affine
        header = {"space": "left-posterior-superior", "space directions": lps[:3, :3].T, "space origin": lps[:3, 3]}
        nrrd.write(str(path), np.ascontiguousarray(part), header)
    else:
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(part), affine), path)


@pytest.mark.parametrize("case", ["p01", "p02"])
@pytest.mark.parametrize("name", ["{}.nii.gz", "{}.nrrd"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_cropped_label_maps_lie_where_their_header_says(the_round, case, name, mirrored):
    part, affine = placed_part(the_round, case)
    if mirrored:  # the same voxels in another order, and the header says so
        affine[:3, 3] += affine[:3, 0] * (part.shape[0] - 1)
        affine[:3, 0] *= -1
        part = part[::-1]
    write(the_round.labels / name.format(case), part, affine)
    the_round.say_all_done(cases=(case,))
    taken = the_round.look()
    assert taken.problems == ()
    truth = the_round.manifest.scan(case).axes.write(truth_of(the_round.manifest, case)).copy()
    if case == "p02":
        truth[0], truth[:, :, 0] = 0, 0  # what was cut off
    truth = the_round.manifest.scan(case).axes.read(truth)
    assert [one.z for one in taken.given] == the_round.manifest.wanted(case)
    for one in taken.given:
        np.testing.assert_array_equal(one.labels, truth[one.z])
    assert "it was placed by its position, and what it does not cover counts as not drawn" in taken.notes[0]


@pytest.mark.parametrize(("shift", "noted"), [(0.0, None), (0.04, None), (0.3, "0.3 voxels (0.9 mm)")])
def test_a_file_a_little_off_is_taken_with_a_note(the_round, shift, noted):
    scan = the_round.manifest.scan("p01")  # slices are 3 mm apart
    affine = np.array(scan.affine)
    affine[:3, 3] = (affine @ [0, 0, shift, 1])[:3]
    truth = truth_of(the_round.manifest, "p01")
    the_round.save(the_round.labels / "p01.nii.gz", "p01", truth, affine)
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == () and len(taken.given) == 2
    np.testing.assert_array_equal(taken.given[0].labels, truth[1])
    off = [note for note in taken.notes if "off those of the scan" in note]
    assert len(off) == (noted is not None)
    assert noted is None or f"its voxels lie up to {noted} off" in off[0]


def test_a_file_without_a_position_is_taken_when_the_user_says_so(the_round):
    truth = truth_of(the_round.manifest, "p01")
    the_round.save(the_round.labels / "p01.nii.gz", "p01", truth, np.eye(4))
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.given == () and "--by-voxels" in taken.problems[0]
    taken = the_round.look(by_voxels=True)
    assert taken.problems == () and "taken voxel by voxel" in taken.notes[0]
    np.testing.assert_array_equal(taken.given[1].labels, truth[3])


def test_a_scan_without_a_position_is_compared_voxel_by_voxel(the_round):
    plain = replace(the_round.manifest.scans[0], affine=None, spacing_mm=(1.0, 1.0, 1.0))
    other = Round(replace(the_round.manifest, scans=(plain, the_round.manifest.scans[1])), the_round.folder)
    truth = truth_of(other.manifest, "p01")
    other.save(other.labels / "p01.nii.gz", "p01", truth, np.eye(4))
    other.say_all_done(cases=("p01",))
    taken = other.look()
    assert taken.problems == ()
    np.testing.assert_array_equal(taken.given[0].labels, truth[1])
