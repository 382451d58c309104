"""Annotators who err: how far and how often, against what their fields say."""

from __future__ import annotations

import numpy as np
import pytest

from alseg_core.config import RunConfig
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers.phantom import Phantom
from alseg_core.errors import ConfigError
from alseg_core.metrics.overlap import dice_scores
from alseg_core.oracles import ORACLES, Vault
from alseg_core.oracles.annotator import Annotator
from alseg_core.oracles.conformance import CHECKS, Check
from alseg_core.store import Store
from alseg_core.vocabulary import IGNORE
from bench.study.annotation_title import annotation_title

ERRS = {"boundary_mm": 2.0, "miss_below_mm2": 30.0, "drop_class": 0.1, "bias_mm": -1.0}
RADIUS, SECTORS = 40.0, 60


def disc(pixel_mm, radius=RADIUS, offset=(0.3, 0.6), side_mm=140.0):
    """A disc, and the angle of every pixel."""
    y, x = np.meshgrid(
        *[(np.arange(round(side_mm / s)) - side_mm / s / 2 + o) * s for s, o in zip(pixel_mm, offset, strict=True)],
        indexing="ij",
    )
    return (np.hypot(y, x) < radius).astype(np.uint8), np.arctan2(y, x)


def radii(mask, angle, pixel_mm):
    """Radius of the mask in each sector around the disc's centre, from its area there."""
    sector = ((angle + np.pi) / (2 * np.pi) * SECTORS).astype(int).clip(0, SECTORS - 1)
    area = np.bincount(sector.ravel(), mask.ravel() * pixel_mm[0] * pixel_mm[1], SECTORS)
    return np.sqrt(area * SECTORS / np.pi)


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (1.5, 1.0), (2.0, 2.0)])
@pytest.mark.parametrize("sd", [1.5, 3.0])
def test_contours_are_displaced_by_a_normal_distance_of_the_given_sd(pixel_mm, sd):
    true, angle = disc(pixel_mm)
    errs = Annotator(boundary_mm=sd)
    drawn = [errs.draw(true, pixel_mm, seed, ("case", 0), 2) for seed in range(20)]
    error = np.concatenate([radii(mask, angle, pixel_mm) - radii(true, angle, pixel_mm) for mask in drawn])
    assert abs(error.mean()) < 0.2 * sd
    assert error.std() == pytest.approx(sd, rel=0.15)
    assert abs(error).mean() == pytest.approx(sd * np.sqrt(2 / np.pi), rel=0.2)


def test_the_displacement_is_correlated_over_the_given_length():
    pixel_mm = (1.0, 1.0)
    true, angle = disc(pixel_mm)
    for length in (6.0, 20.0):
        errs = Annotator(boundary_mm=3.0, smooth_mm=length)
        drawn = [errs.draw(true, pixel_mm, seed, ("case", 0), 2) for seed in range(30)]
        found = [radii(mask, angle, pixel_mm) for mask in drawn]
        error = np.array(found) - np.mean(found)
        chord = 2 * RADIUS * np.sin(np.pi / SECTORS * 5)  # distance of points five sectors apart
        correlation = (error * np.roll(error, 5, axis=1)).mean() / error.var()
        assert correlation == pytest.approx(np.exp(-(chord**2) / (2 * length**2)), abs=0.12)


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (1.5, 1.0)])
@pytest.mark.parametrize("bias", [-2.3, 1.7])
def test_a_biased_annotator_changes_the_radius_by_that_many_mm(pixel_mm, bias):
    errs = Annotator(bias_mm=bias)
    change = []
    for part in np.random.default_rng(1).random((8, 2)):
        true, angle = disc(pixel_mm, radius=20 + part[0], offset=part, side_mm=70)
        drawn = errs.draw(true, pixel_mm, 0, ("case", 0), 2)
        change.append(radii(drawn, angle, pixel_mm).mean() - radii(true, angle, pixel_mm).mean())
    assert np.mean(change) == pytest.approx(bias, abs=0.3 * max(pixel_mm))


def test_a_bias_leaves_the_line_between_two_structures():
    ring, _ = disc((1.0, 1.0), radius=30)
    core, _ = disc((1.0, 1.0), radius=20)
    mask = ring + core
    drawn = Annotator(bias_mm=2.0).draw(mask, (1.0, 1.0), 0, ("case", 0), 3)
    np.testing.assert_array_equal(drawn == 2, core)
    assert (drawn > 0).sum() > ring.sum() * 1.1


def test_small_parts_are_missed_by_area_in_square_millimetres():
    mask = np.zeros((40, 60), np.uint8)
    mask[2:5, 2:5] = 1  # 9 pixels of 1.5 mm2
    mask[10:14, 2:7] = 1  # 20
    mask[20:30, 10:30] = 2
    drawn = Annotator(miss_below_mm2=15).draw(mask, (1.5, 1.0), 0, ("case", 0), 3)
    wanted = mask.copy()
    wanted[2:5, 2:5] = 0
    np.testing.assert_array_equal(drawn, wanted)
    np.testing.assert_array_equal(Annotator(miss_below_mm2=13).draw(mask, (1.5, 1.0), 0, ("case", 0), 3), mask)
    missed = [
        Annotator(miss_below_mm2=15, miss=0.3).draw(mask, (1.5, 1.0), seed, ("case", 0), 3)[3, 3] == 0
        for seed in range(600)
    ]
    assert np.mean(missed) == pytest.approx(0.3, abs=0.06)


def test_classes_are_left_out_in_the_given_share_of_slices_each_by_itself_and_more_at_a_higher_one():
    mask = np.arange(4, dtype=np.uint8).repeat(4)[None].repeat(6, axis=0)
    gone = {}
    for share in (0.1, 0.4):
        errs = Annotator(drop_class=share)
        drawn = [errs.draw(mask, (1.0, 1.0), 0, ("case", z), 4) for z in range(800)]
        gone[share] = np.array([[(m == label).sum() == 0 for label in range(4)] for m in drawn])
        np.testing.assert_allclose(gone[share].mean(axis=0), [0, share, share, share], atol=0.05)
        assert abs(np.corrcoef(gone[share][:, 1:].T)[np.triu_indices(3, 1)]).max() < 0.12
        assert all(m[mask != 0].max() <= 3 and (m[:, :4] == 0).all() for m in drawn)
    assert (gone[0.4] | ~gone[0.1]).all()


def test_an_empty_slice_stays_empty():
    nothing = np.zeros((30, 30), np.uint8)
    drawn = Annotator(boundary_mm=3, bias_mm=2, drop_class=0.5).draw(nothing, (1, 1), 0, ("case", 0), 3)
    np.testing.assert_array_equal(drawn, nothing)


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize(
    "kind", [{"name": "mask"}, {"name": "scribble", "source": "simulated"}], ids=["mask", "scribble"]
)
def test_kinds_with_an_annotator_who_errs_conform(kind, one: Check) -> None:
    one(ORACLES.build({**kind, "annotator": ERRS}))


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    folder = prepare(Phantom(patients=3, size=48), None, Prepare(size=40), Store(tmp_path_factory.mktemp("store")))
    return Vault(folder, Prepared.open(folder))


def test_dice_with_the_truth_is_that_of_the_labels_and_the_truth_is_read_and_billed_once(vault):
    slices = vault.prepared.slices(vault.prepared.table.cases)
    positions = np.random.default_rng(0).permutation(len(slices))[:12]
    given = ORACLES.build({"name": "mask", "annotator": ERRS}).annotate(vault, slices, positions, 5)
    assert vault.ledger.drain() == [{"who": "oracle", "what": "training labels", "slices": 12, "cost": 12.0}]
    truth = vault.masks(slices.rows[positions], "test", "training labels")
    vault.ledger.drain()
    for labels, true, dice in zip(given.labels, truth, given.truth_dice, strict=True):
        scores = [score for score in dice_scores(labels, true, vault.classes) if score == score]
        assert dice == pytest.approx(np.mean(scores)) if scores else np.isnan(dice)
    assert 0.3 < np.nanmean(given.truth_dice) < 0.98
    assert ORACLES.build("mask").annotate(vault, slices, positions, 5).truth_dice is None


def test_strokes_are_drawn_from_the_mask_with_the_errors(vault):
    slices = vault.prepared.slices(vault.prepared.table.cases)
    positions = np.arange(len(slices))
    masks = ORACLES.build({"name": "mask", "annotator": ERRS}).annotate(vault, slices, positions, 5)
    oracle = ORACLES.build({"name": "scribble", "source": "simulated", "annotator": ERRS})
    strokes = oracle.annotate(vault, slices, positions, 5)
    marked = strokes.labels != IGNORE
    np.testing.assert_array_equal(strokes.labels[marked], masks.labels[marked])
    truth = vault.masks(slices.rows, "test", "training labels")
    assert (strokes.labels[marked] != truth[marked]).any()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "mask", "annotator": {}}, "needs one of boundary_mm, bias_mm, miss_below_mm2 and drop_class"),
        ({"name": "mask", "annotator": {"bias_mm": 1.0, "miss": 0.5}}, "miss has no effect without miss_below_mm2"),
        (
            {"name": "mask", "annotator": {"bias_mm": 1.0, "smooth_mm": 5.0}},
            "smooth_mm has no effect without boundary_mm",
        ),
        ({"name": "mask", "annotator": {"boundary": 1.0}}, "Did you mean 'boundary_mm'"),
        ({"name": "mask", "annotator": {"drop_class": 1.5}}, "drop_class"),
        ({"name": "mask", "source": "annotators", "annotator": ERRS}, "leave one of both out"),
        ({"name": "scribble", "annotator": ERRS}, "source is 'auto'; add source: simulated"),
    ],
)
def test_what_makes_no_sense_is_one_error(spec, words):
    with pytest.raises(ConfigError, match=words):
        ORACLES.build(spec)


def test_annotators_have_fingerprints_and_titles_of_their_own_and_the_default_keeps_its(tiny):
    def described(annotation):
        config = RunConfig.load({**tiny, "annotation": annotation})
        return config.fingerprint, annotation_title(config.describe()["annotation"])

    plain, errs = described("mask"), described({"name": "mask", "annotator": ERRS})
    assert plain[1] == "mask"
    assert errs[1] == "mask (noise 2 mm, bias -1 mm, parts <30 mm2, 10 % of classes)"
    assert plain[0] != errs[0]
    assert described({"name": "mask", "annotator": None}) == plain
    other = described({"name": "mask", "annotator": {"boundary_mm": 2.0, "smooth_mm": 5.0}})
    assert other[1] == "mask (noise 2 mm over 5 mm)"
    assert "annotator" not in RunConfig.load({**tiny, "annotation": "mask"}).describe()["annotation"]
