"""Conformance suite of readers, for those of this package and for your own.

Each function in :data:`CHECKS` takes a reader and the folder of a small sample of its data, None for a reader that
generates them, and raises AssertionError with a description of the first fault; with pytest:

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check, sample):
        check(Mine(), sample)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alseg_core.conformance import demand, global_seeds, pickled
from alseg_core.data.prepare import verify
from alseg_core.data.readers.reader import CaseRef, Reader
from alseg_core.errors import DataError
from alseg_core.vocabulary import Volume

LOADED = 3
"""Cases of the sample that checks load."""


def _scan(reader: Reader, root: Path | None) -> list[CaseRef]:
    try:
        refs = reader.scan(root)
    except Exception as error:
        raise AssertionError(f"{type(reader).__name__} cannot scan {root}: {type(error).__name__}: {error}") from error
    fine = isinstance(refs, list) and all(isinstance(ref, CaseRef) for ref in refs)
    demand(fine, reader, "gives no list of CaseRef from scan.")
    demand(len(refs) > 0, reader, f"finds no case in {root}.")
    return refs


def _load(reader: Reader, ref: CaseRef) -> Volume:
    try:
        volume = reader.load(ref)
    except Exception as error:
        raise AssertionError(
            f"{type(reader).__name__} cannot load {ref.case!r}: {type(error).__name__}: {error}"
        ) from error
    demand(isinstance(volume, Volume), reader, f"gives a {type(volume).__name__} from load, no Volume.")
    return volume


def introduces_itself(reader: Reader, root: Path | None) -> None:  # noqa: ARG001  # every check takes both
    """Its labels are 0..K-1, at least two, and paper, licence, source and layout are not empty."""
    labels = reader.labels
    demand(labels == tuple(range(len(labels))) and len(labels) >= 2, reader, f"has labels {labels}; 0..K-1 was wanted.")
    for field in ("paper", "licence", "source", "layout"):
        demand(bool(getattr(reader, field)), reader, f"does not say its {field}.")


def finds_every_case_once(reader: Reader, root: Path | None) -> None:
    """It finds cases with unique ids, sorted, with patients and existing files, and the same ones again."""
    refs = _scan(reader, root)
    ids = [ref.case for ref in refs]
    demand(len(set(ids)) == len(ids), reader, "finds a case twice.")
    demand(ids == sorted(ids), reader, f"finds cases in the order {ids[:5]}...; sort them by id.")
    demand(all(ref.case and ref.patient for ref in refs), reader, "finds a case without id or patient.")
    for ref in refs:
        for part, path in ref.files.items():
            demand(Path(path).exists(), reader, f"names {part} {path} of {ref.case!r}, which does not exist.")
    demand(_scan(reader, root) == refs, reader, "finds other cases when it scans again.")


def loads_what_preparation_takes(reader: Reader, root: Path | None) -> None:
    """It loads float32 images, uint8 labels of known classes and one shape, positive spacings and the ids it found."""
    for ref in _scan(reader, root)[:LOADED]:
        volume, what = _load(reader, ref), f"of {ref.case!r}"
        demand(volume.image.dtype == np.float32, reader, f"loads an image {what} of {volume.image.dtype}; use float32.")
        demand(volume.image.ndim in (3, 4), reader, f"loads an image {what} of shape {volume.image.shape}.")
        for part, labels in (("mask", volume.mask), ("scribble", volume.scribble)):
            fine = labels is None or labels.dtype == np.uint8
            demand(fine, reader, f"loads a {part} {what} of {labels.dtype if labels is not None else ''}; use uint8.")
        try:
            verify(volume, ref, reader.labels)
        except DataError as error:
            raise AssertionError(f"{type(reader).__name__} loads what preparation refuses: {error}") from error
        spacing = np.asarray(volume.spacing_mm, dtype=float)
        fine = spacing.shape == (3,) and bool((spacing > 0).all())
        demand(
            fine, reader, f"loads the spacing {volume.spacing_mm} {what}; three lengths (z, y, x) in mm were wanted."
        )
        own, found = (volume.case, volume.patient, volume.group), (ref.case, ref.patient, ref.group)
        demand(own == found, reader, f"loads {own} as case, patient and group where scan found {found}.")


def masks_hold_foreground(reader: Reader, root: Path | None) -> None:
    """Some mask or scribble of the sample holds foreground."""
    volumes = [_load(reader, ref) for ref in _scan(reader, root)[:LOADED]]
    classes = {value for v in volumes for part in (v.mask, v.scribble) if part is not None for value in np.unique(part)}
    demand(bool(classes & set(reader.labels[1:])), reader, "loads no label of a foreground class.")


def loads_the_same_again(reader: Reader, root: Path | None) -> None:
    """It loads a case the same again, and after pickling, with no global random state used or changed."""
    for ref in _scan(reader, root)[:LOADED]:
        volumes = []
        for seed, one in ((1, reader), (2, pickled(reader))):
            with global_seeds(seed, reader):
                volumes.append(_load(one, ref))
        first, again = volumes
        for part in ("image", "mask", "scribble"):
            a, b = getattr(first, part), getattr(again, part)
            same = (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
            demand(same, reader, f"loads another {part} of {ref.case!r} the second time.")


def says_what_it_expected(reader: Reader, root: Path | None) -> None:
    """Without a folder, and in an empty one, it raises DataError that gives the layout; a generator is exempt."""
    if root is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for where in (None, Path(folder)):
            try:
                reader.scan(where)
            except DataError as error:
                demand(reader.layout in str(error), reader, f"does not give its layout where data are missing: {error}")
            except Exception as error:
                raise AssertionError(
                    f"{type(reader).__name__} fails without data: {type(error).__name__}: {error}; raise DataError."
                ) from error
            else:
                raise AssertionError(f"{type(reader).__name__} finds nothing and says nothing; raise DataError.")


Check = Callable[[Reader, Path | None], None]

CHECKS: tuple[Check, ...] = (
    introduces_itself,
    finds_every_case_once,
    loads_what_preparation_takes,
    masks_hold_foreground,
    loads_the_same_again,
    says_what_it_expected,
)
"""Checks of every reader."""


def check(reader: Reader, root: Path | None) -> None:
    """Run all checks. Raises AssertionError for the first fault."""
    for one in CHECKS:
        one(reader, root)
