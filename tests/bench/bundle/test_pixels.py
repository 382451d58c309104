"""Which labelled pixels fit the slices that were bought."""

from __future__ import annotations

import dataclasses

import pytest

from bench.bundle.checks.pixels import check
from tests.bench.bundle.conftest import bundle_of
from tests.bench.bundle.test_baseline import planned
from tests.bench.report.study_files import record

SIDE = 40
"""Rows and columns of the slices of the study ``quick``."""


@pytest.mark.parametrize(
    ("marked", "reasons"),
    [((2, 4), []), ((2, 3), ["1600 pixels were labelled, and masks of its slices have 3200"])],
    ids=["all pixels", "half of a round"],
)
def test_masks_label_every_pixel_of_their_slices(marked: tuple[int, int], reasons: list[str]) -> None:
    run = planned("quick", "recipes=random")[0]
    rounds = tuple(
        record(
            number,
            {"t0": [0.5, 0.5]},
            selected=[{"case": "a", "z": 2 * number + z, "score": None} for z in (0, 1)],
            marked=slices * SIDE**2,
            foreground=slices,
        )
        for number, slices in enumerate(marked)
    )
    found = [finding.text for finding in check(bundle_of([dataclasses.replace(run, records=rounds)]))]
    assert [text.partition("round 2: ")[2] for text in found] == reasons
