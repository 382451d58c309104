"""Labels that annotators find in their files."""

from __future__ import annotations

from collections.abc import Callable

import nibabel
import numpy as np
import pytest

from alseg_core.data.nifti import read_labels
from alseg_core.errors import ConfigError, DataError
from bench.project.exchange import write_round
from tests.bench.project.exchange.small_projects import AXES, BARE, FIRST, OBLIQUE, Project


@pytest.mark.parametrize("everywhere", [False, True])
def test_proposals_are_where_they_belong(project: Callable[..., Project], everywhere: bool) -> None:
    made = project()
    proposed = made.labels()
    write_round(made.round, made.manifest, made.folder, proposed, everywhere=everywhere, thumbnails=False)
    record = np.load(made.round / "prefill.npz")
    assert set(record.files) == {OBLIQUE, FIRST, BARE}
    for case, labels in proposed.items():
        kept = np.zeros(len(labels), bool)
        kept[made.manifest.wanted(case)] = True
        expected = labels if everywhere else np.where(kept[:, None, None], labels, 0)
        path = made.round / "segmentations" / f"{case}.nii.gz"
        np.testing.assert_array_equal(read_labels(path, [0, 1, 2], AXES[case]), expected)
        np.testing.assert_array_equal(record[case], expected)
        assert record[case].dtype == np.uint8
    stored = np.asarray(nibabel.load(made.round / "segmentations" / f"{FIRST}.nii.gz").dataobj)
    np.testing.assert_array_equal(stored[5, :, ::-1], proposed[FIRST][1])  # slices and columns run backwards


def test_files_without_proposals_stay_empty(project: Callable[..., Project]) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, {OBLIQUE: made.labels()[OBLIQUE]}, thumbnails=False)
    assert np.asarray(nibabel.load(made.round / "segmentations" / f"{OBLIQUE}.nii.gz").dataobj).any()
    assert not np.asarray(nibabel.load(made.round / "segmentations" / f"{BARE}.nii.gz").dataobj).any()
    assert np.load(made.round / "prefill.npz").files == [OBLIQUE]


def test_the_first_proposals_stand(project: Callable[..., Project]) -> None:
    made = project()
    first = made.labels()
    write_round(made.round, made.manifest, made.folder, first, thumbnails=False)
    path = made.round / "segmentations" / f"{OBLIQUE}.nii.gz"
    before, record = path.read_bytes(), (made.round / "prefill.npz").read_bytes()
    path.unlink()  # as after a kill
    other = {case: np.where(labels == 1, 2, 1).astype(np.uint8) for case, labels in first.items()}
    write_round(made.round, made.manifest, made.folder, other, thumbnails=False)
    assert path.read_bytes() == before
    assert (made.round / "prefill.npz").read_bytes() == record


def test_no_record_of_proposals_for_a_file_that_was_empty(project: Callable[..., Project]) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    (made.round / "segmentations" / f"{BARE}.nii.gz").unlink()
    write_round(made.round, made.manifest, made.folder, made.labels(), thumbnails=False)
    assert np.load(made.round / "prefill.npz").files == [BARE]
    assert not np.asarray(nibabel.load(made.round / "segmentations" / f"{OBLIQUE}.nii.gz").dataobj).any()


def test_scribbles_cannot_be_proposed(project: Callable[..., Project]) -> None:
    made = project("scribble")
    with pytest.raises(ConfigError, match="this project asks for scribbles"):
        write_round(made.round, made.manifest, made.folder, made.labels())
    assert not made.round.exists()


@pytest.mark.parametrize(
    ("case", "shape", "value", "message"),
    [
        ("bar", (5, 9, 8), 0, "unknown case 'bar'. Did you mean 'bare'?"),
        (BARE, (8, 9, 5), 0, r"of bare have shape \(8, 9, 5\), and the scan \(5, 9, 8\)"),
        (BARE, (5, 9, 8), 3, "of bare must be class numbers 0..2, got 3"),
        (BARE, (5, 9, 8), 255, "of bare must be class numbers 0..2, got 255"),
    ],
)
def test_wrong_proposals(
    project: Callable[..., Project], case: str, shape: tuple[int, ...], value: int, message: str
) -> None:
    made = project()
    with pytest.raises(DataError, match=message):
        write_round(made.round, made.manifest, made.folder, {case: np.full(shape, value, np.uint8)})
    assert not made.round.exists()
