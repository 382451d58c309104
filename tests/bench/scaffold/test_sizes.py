from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alseg_core.data.readers.reader import CaseRef
from alseg_core.data.splits import apportion
from alseg_core.errors import DataError
from bench.datasets.preset_fit import Scan
from bench.scaffold.sizes import Sizes, budgets, field, grid, split, steps


def sizes_of(widest: float, spacing: float, cases: int = 1) -> Sizes:
    return Sizes({f"p{n}": 9 for n in range(cases)}, spacing, widest, widest, {})


@given(st.floats(1, 2000), st.floats(0.01, 50))
def test_the_grid_holds_the_field_and_shows_no_more_than_is_stored(widest: float, spacing: float) -> None:
    size, step = grid(widest, sizes_of(widest, spacing))
    assert size in (32, 48, 64, 80, 96)
    assert size * step >= widest * (1 - 1e-9)
    assert step >= spacing * (1 - 1e-9)
    assert step <= 1.02 * max(widest / size, spacing)


@pytest.mark.parametrize(("pixels", "size"), [(20, 32), (50, 64), (64, 64), (90, 96), (512, 96)])
def test_the_grid_is_no_finer_than_the_scans(pixels: int, size: int) -> None:
    found, step = grid(pixels * 1.5, sizes_of(pixels * 1.5, 1.5))
    assert found == size
    assert step == pytest.approx(max(1.5, pixels * 1.5 / size), rel=0.01)


def test_the_field_follows_from_training_masks_alone() -> None:
    train = [Scan(name, name, {}, 9, True, False) for name in ("p0", "p1", "unmarked")]
    reach = {"p0": 20.0, "p1": 40.0, "test": 90.0}
    assert field(Sizes({}, 1, 300, 400, reach), train) == 100
    assert field(Sizes({}, 1, 300, 90, reach), train) == 90
    assert field(Sizes({}, 1, 300, 400, {}), train) == 400


@pytest.mark.parametrize("patients", range(3, 60))
def test_every_part_of_a_split_has_patients(patients: int) -> None:
    refs = [CaseRef(f"p{n}", f"p{n}") for n in range(patients)]
    drawn = split(refs, sizes_of(1, 1, patients), {ref.case: (0, 1) for ref in refs}, ["background", "organ"])
    train, val, test = apportion(patients, [drawn["train"], drawn["val"], drawn["test"]])
    assert train + val + test == patients and train >= max(val, test)
    assert val >= (2 if patients >= 8 else 1) and test >= val
    assert drawn["seed"] == 0


def test_a_class_of_no_training_patient_is_refused() -> None:
    refs = [CaseRef(f"p{n}", f"p{n}") for n in range(4)]
    with pytest.raises(DataError, match="spot"):
        split(refs, sizes_of(1, 1, 4), {ref.case: (0, 1) for ref in refs}, ["background", "organ", "spot"])


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (3, [1]),
        (24, [3, 6, 12]),
        (40, [8, 16, 32]),
        (300, [8, 16, 32]),
        (400, [0.02, 0.05, 0.12]),
        (20_000, [40, 100, 240]),
    ],
)
def test_budgets_are_neither_tiny_nor_huge(pool: int, expected: list[float]) -> None:
    assert budgets(pool) == expected


def test_a_slice_is_trained_on_as_often_as_on_acdc() -> None:
    assert [steps(pool) for pool in (10, 1_200, 12_000)] == [250, 4_600, 46_000]
