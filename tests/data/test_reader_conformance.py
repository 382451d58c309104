"""Every registered reader passes the conformance suite, and each check finds a planted fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from alseg_core.data.readers import READERS, CaseRef, Reader
from alseg_core.data.readers.conformance import CHECKS, Check, check
from alseg_core.data.readers.reader import wrong
from alseg_core.vocabulary import IGNORE, Volume
from tests.data import test_chaos, test_davis, test_mscmr, test_nifti_folder, test_wsl4mis

nifti_folder, mscmr_folder = test_nifti_folder.folder, test_mscmr.prepared_form


@pytest.fixture
def acdc_folder(tmp_path: Path, write_acdc: Callable[..., Path]) -> Path:
    return write_acdc(tmp_path / "acdc", patients=2)


@pytest.fixture
def chaos_folder(tmp_path: Path) -> Path:
    for number in (2, 10):
        test_chaos.write_case(tmp_path / "Train_Sets" / "CT" / str(number))
    return tmp_path


@pytest.fixture
def davis_folder(tmp_path: Path) -> Path:
    for name in ("bear", "camel"):
        test_davis.write_sequence(tmp_path / "DAVIS", name)
    return tmp_path


@pytest.fixture
def wsl4mis_folder(tmp_path: Path) -> Path:
    return test_wsl4mis.write_wsl4mis(tmp_path / "ACDC", patients=(1,))


SAMPLES: dict[str, tuple[Any, str | None]] = {
    "acdc": ("acdc", "acdc_folder"),
    "chaos": ("chaos", "chaos_folder"),
    "davis": ("davis", "davis_folder"),
    "mscmr": ("mscmr", "mscmr_folder"),
    "nifti_folder": (test_nifti_folder.LABELS, "nifti_folder"),
    "phantom": ({"name": "phantom", "patients": 3, "size": 48}, None),
    "wsl4mis_h5": ("wsl4mis_h5", "wsl4mis_folder"),
}
"""Each reader with small settings, and the fixture that writes a sample of its data."""


def test_every_reader_has_a_sample() -> None:
    assert SAMPLES.keys() == READERS.keys()


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_conforms(name: str, one: Check, request: pytest.FixtureRequest) -> None:
    spec, sample = SAMPLES[name]
    one(READERS.build(spec), request.getfixturevalue(sample) if sample else None)


class Right:
    """Reads one ``.npy`` image a case; the faults below change one thing."""

    labels: tuple[int, ...] = (0, 1)
    paper: ClassVar[str] = "none"
    licence: ClassVar[str] = "none"
    source: ClassVar[str] = "none"
    layout: ClassVar[str] = "<case>.npy"

    def scan(self, root: Path | None) -> Any:
        files = sorted(root.glob("*.npy")) if root else []
        if not files:
            raise wrong([f"expected {self.layout}"], str(root))
        return [CaseRef(path.stem, path.stem, "", {"image": path}) for path in files]

    def load(self, ref: CaseRef) -> Any:
        image = np.load(ref.files["image"])
        return self.change(Volume(image, (image > 0.5).astype(np.uint8), None, (5.0, 1.0, 1.0), ref.case, ref.patient))

    def change(self, volume: Volume) -> Any:
        return volume


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    for name in ("b", "a", "c"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(ord(name)).random((3, 6, 5), dtype=np.float32))
    return tmp_path


class LabelsFromOne(Right):
    labels = (1, 2)


class NoLicence(Right):
    licence: ClassVar[str] = ""


class AnIterator(Right):
    def scan(self, root):
        return iter(super().scan(root))


class Unsorted(Right):
    def scan(self, root):
        return super().scan(root)[::-1]


class Twice(Right):
    def scan(self, root):
        refs = super().scan(root)
        return sorted([*refs, refs[0]], key=lambda ref: ref.case)


class NoPatient(Right):
    def scan(self, root):
        return [replace(ref, patient="") for ref in super().scan(root)]


class Invents(Right):
    def scan(self, root):
        return [replace(ref, files={**ref.files, "mask": Path("nowhere.npy")}) for ref in super().scan(root)]


class Forgets(Right):
    def __init__(self) -> None:
        self.seen: set[str] = set()

    def scan(self, root):
        refs = super().scan(root)
        new = [ref for ref in refs if ref.case not in self.seen] or refs[:1]
        self.seen |= {ref.case for ref in refs[1:]}
        return new


class Doubles(Right):
    def change(self, volume):
        return replace(volume, image=volume.image.astype(np.float64))


class SignedMask(Right):
    def change(self, volume):
        return replace(volume, mask=volume.mask.astype(np.int16))


class Shifted(Right):
    def change(self, volume):
        return replace(volume, mask=volume.mask[1:])


class UnknownClass(Right):
    def change(self, volume):
        return replace(volume, mask=volume.mask * np.uint8(7))


class PlaneSpacing(Right):
    def change(self, volume):
        return replace(volume, spacing_mm=(1.0, 1.0))


class OtherName(Right):
    def change(self, volume):
        return replace(volume, case=volume.case.upper())


class AnImage(Right):
    def change(self, volume):
        return volume.image


class AllBackground(Right):
    def change(self, volume):
        return replace(volume, mask=np.zeros_like(volume.mask), scribble=np.full_like(volume.mask, IGNORE))


class Noisy(Right):
    def change(self, volume):
        noise = np.random.default_rng().random(volume.image.shape, dtype=np.float32)
        return replace(volume, image=volume.image + noise)


class GlobalNoise(Right):
    def change(self, volume):
        return replace(volume, image=volume.image + np.float32(np.random.random()))


class Unpicklable(Right):
    def __init__(self) -> None:
        self.key = lambda path: path


class Silent(Right):
    def scan(self, root):
        return [CaseRef(path.stem, path.stem, "", {"image": path}) for path in sorted((root or Path()).glob("*.npy"))]


class Crashes(Right):
    def scan(self, root):
        assert next(root.glob("*.npy"))
        return super().scan(root)


class Vague(Right):
    def scan(self, root):
        if root is None or not list(root.glob("*.npy")):
            raise wrong(["no data"], str(root))
        return super().scan(root)


FAULTS: list[tuple[type[Right], str, str]] = [
    (LabelsFromOne, "introduces_itself", "0..K-1"),
    (NoLicence, "introduces_itself", "licence"),
    (AnIterator, "finds_every_case_once", "no list of CaseRef"),
    (Unsorted, "finds_every_case_once", "sort them"),
    (Twice, "finds_every_case_once", "twice"),
    (NoPatient, "finds_every_case_once", "without id or patient"),
    (Invents, "finds_every_case_once", "does not exist"),
    (Forgets, "finds_every_case_once", "when it scans again"),
    (Doubles, "loads_what_preparation_takes", "float64"),
    (SignedMask, "loads_what_preparation_takes", "int16"),
    (Shifted, "loads_what_preparation_takes", "differs from"),
    (UnknownClass, "loads_what_preparation_takes", "unknown label value"),
    (PlaneSpacing, "loads_what_preparation_takes", "three lengths"),
    (OtherName, "loads_what_preparation_takes", "where scan found"),
    (AnImage, "loads_what_preparation_takes", "no Volume"),
    (AllBackground, "masks_hold_foreground", "no label of a foreground class"),
    (Noisy, "loads_the_same_again", "another image"),
    (GlobalNoise, "loads_the_same_again", "global random state of numpy"),
    (Unpicklable, "loads_the_same_again", "cannot be pickled"),
    (Silent, "says_what_it_expected", "says nothing"),
    (Crashes, "says_what_it_expected", "raise DataError"),
    (Vague, "says_what_it_expected", "does not give its layout"),
]


@pytest.mark.parametrize(("fault", "by", "says"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_finds(fault: type[Right], by: str, says: str, sample: Path) -> None:
    one = next(c for c in CHECKS if c.__name__ == by)
    with pytest.raises(AssertionError, match=says) as caught:
        one(fault(), sample)
    assert str(caught.value).startswith(fault.__name__)


def test_every_check_is_needed_and_a_right_reader_passes_all(sample: Path) -> None:
    assert {by for _, by, _ in FAULTS} == {one.__name__ for one in CHECKS}
    right: Reader = Right()
    check(right, sample)
