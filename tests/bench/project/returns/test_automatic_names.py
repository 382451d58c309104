"""Segments with the names that 3D Slicer gives: taken only where they can mean one class alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import slicerio

from bench.project.manifest import values_of
from tests.bench.project.returns.rounds import Round, truth_of

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def draw(the_round: Round, voxels: np.ndarray, value: int, name: str) -> None:
    place = LPS @ np.array(the_round.manifest.scan("p01").affine)
    segments = [{"id": name, "name": name, "labelValue": value, "layer": 0}]
    content = {"voxels": voxels, "ijkToLPS": place, "segments": segments}
    slicerio.write_segmentation(str(the_round.labels / "p01.seg.nrrd"), content)
    the_round.say_all_done(cases=("p01",))


def two_classes(the_round: Round, kind: Literal["mask", "scribble"]) -> Round:
    values, unmarked = values_of(kind, 2)
    return Round(
        replace(the_round.manifest, classes=("background", "liver"), values=values, unmarked=unmarked), the_round.folder
    )


def test_with_a_single_class_to_draw_it_is_that(make_round):
    the_round = two_classes(make_round(), "mask")
    truth = truth_of(the_round.manifest, "p01")
    draw(the_round, the_round.manifest.scan("p01").axes.write(truth) * np.uint8(3), 3, "Segment_3")
    taken = the_round.look()
    assert taken.problems == () and len(taken.given) == 2
    np.testing.assert_array_equal(taken.given[0].labels, truth[1])
    assert "segment 'Segment_3' counts as liver, the only class to draw" in taken.notes[0]


def test_strokes_may_be_of_the_background_too(make_round):
    the_round = two_classes(make_round("scribble"), "scribble")
    truth = truth_of(the_round.manifest, "p01")
    draw(the_round, the_round.manifest.scan("p01").axes.write(truth), 1, "Segment_1")
    taken = the_round.look()
    assert taken.given == () and "rename it to background or liver" in taken.problems[0]
