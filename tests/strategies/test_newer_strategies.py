"""The newer strategies on pools with known answers, against slow truth written from the formulas."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, entropy

from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from alseg_core.geometry.clusters import unit_length
from alseg_core.material import open_material
from alseg_core.metrics.uncertainty import binary_entropy
from alseg_core.store import Store
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.cscs import Cscs
from alseg_core.strategies.facility_location_target import lazy_greedy
from alseg_core.strategies.one_vs_rest import OneVsRest
from alseg_core.strategies.selective_uncertainty import SelectiveUncertainty, in_turn
from alseg_core.strategies.sugfw import unlike
from alseg_core.strategies.synthetic_view import SyntheticReferenceView
from tests.strategies.conftest import make_view

torch.set_num_threads(1)


def chosen(spec: Any, view: SyntheticReferenceView, budget: int, seed: int = 0) -> list[int]:
    return [int(p) for p in STRATEGIES.build(spec).select(view, budget, np.random.default_rng(seed)).positions]


def background(view: SyntheticReferenceView) -> None:
    """Make all predictions background, nearly with certainty."""
    for stack in (view.members, view.dropout, view.turned):
        stack[:] = np.array([0.98, 0.01, 0.01], dtype=np.float32).reshape(3, 1, 1)


def paint(view: SyntheticReferenceView, position: int, pixels: int, probabilities: list[float]) -> None:
    """Give the first rows of a slice other probabilities."""
    view.members[:, position, :, :pixels] = np.array(probabilities, dtype=np.float32).reshape(3, 1, 1)


# --- test-time augmentation ---


def test_source_tta_is_the_turned_predictions() -> None:
    view = make_view()
    background(view)
    doubtful, split = view.unlabelled[[3, 9]]
    view.turned[:, doubtful] = 1 / 3
    for t in range(8):
        view.turned[t, split] = np.eye(3, dtype=np.float32)[t % 2].reshape(3, 1, 1)
    assert chosen({"name": "entropy", "source": "tta"}, view, 2) == [doubtful, split]
    assert chosen({"name": "bald", "source": "tta"}, view, 1) == [split]
    assert chosen({"name": "clasp_pe", "source": "tta", "beta_first": 1e4}, view, 1) == [doubtful]


@pytest.mark.parametrize("name", ["entropy", "bald", "clasp_pe", "selective_uncertainty", "one_vs_rest"])
def test_passes_of_every_source_are_counted(name: str) -> None:
    for source, passes, counted in (("dropout", 12, 12), ("tta", 40, 8), ("tta", 3, 3)):
        strategy = STRATEGIES.build({"name": name, "source": source, "passes": passes})
        assert strategy.passes_per_slice(5) == counted
        assert strategy.needs_network(5) == (source == "dropout")


# --- selective uncertainty ---


def test_selective_uncertainty_against_its_formula() -> None:
    view = make_view(seed=4)
    found = SelectiveUncertainty(target=0.4, boundary=0.2).scores(view, np.random.default_rng(0))
    mean = view.members.mean(axis=0)
    for row, position in zip(found, view.unlabelled, strict=True):
        doubt, p = entropy(mean[position], axis=0), 1 - mean[position, 0]
        expected = [doubt[p > 0.4].mean(), doubt[np.abs(p - 0.5) < 0.2].mean()]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_selective_uncertainty_is_not_diluted_by_background_and_takes_turns() -> None:
    view = make_view()
    background(view)
    small, edge, wide = view.unlabelled[[3, 9, 12]]
    paint(view, small, 1, [0.2, 0.4, 0.4])  # in the target; a mean over the slice hides it
    paint(view, edge, 1, [0.5, 0.5, 0.0])  # on the boundary, with less entropy
    paint(view, wide, 16, [0.92, 0.04, 0.04])  # in neither region
    assert chosen("entropy", view, 1) == [wide]
    assert chosen("selective_uncertainty", view, 2) == [small, edge]
    # then nothing is left in the regions: ties in order
    left = [p for p in view.unlabelled if p not in (small, edge)]
    assert chosen("selective_uncertainty", view, 5)[2:] == left[:3]


def test_turns_pass_over_what_is_taken() -> None:
    scores = np.array([[5.0, 9.0], [4.0, 8.0], [3.0, 1.0], [2.0, 7.0]])
    assert in_turn(scores, 4).tolist() == [0, 1, 2, 3]
    assert in_turn(scores[:, ::-1], 3).tolist() == [0, 1, 3]


# --- one against the rest ---


def test_binary_entropy_against_scipy() -> None:
    p = torch.tensor([0.0, 1e-3, 0.3, 0.5, 0.999, 1.0])
    np.testing.assert_allclose(binary_entropy(p), entropy(np.stack([p, 1 - p])), atol=1e-6)


@pytest.mark.parametrize("classes", ["max", "sum"])
@pytest.mark.parametrize(("share", "pixels"), [(1e-4, 1), (7 / 256, 7), (1.0, 256)])
def test_one_vs_rest_against_its_formula(classes: Any, share: float, pixels: int) -> None:
    view = make_view(seed=2)
    found = OneVsRest(classes=classes, share=share).scores(view, np.random.default_rng(0))
    p = view.members.mean(axis=0)[view.unlabelled].astype(float)
    of_classes = -p * np.log(p) - (1 - p) * np.log(1 - p)
    of_pixels = (of_classes.max(axis=1) if classes == "max" else of_classes.sum(axis=1)).reshape(len(p), -1)
    np.testing.assert_allclose(found, np.sort(of_pixels, axis=1)[:, -pixels:].mean(axis=1), rtol=1e-4)


def test_one_vs_rest_asks_about_one_class_and_one_pixel() -> None:
    view = make_view()
    background(view)
    even, tied, wide = view.unlabelled[[3, 9, 12]]
    view.members[:, even] = 1 / 3  # no class is near one half
    view.members[:, tied, :, 0, 0] = np.array([0.0, 0.5, 0.5])
    view.members[:, wide] = np.array([0.75, 0.25, 0.0]).reshape(3, 1, 1)
    one = {"name": "one_vs_rest", "share": 1e-4}
    assert chosen(one, view, 3) == [tied, even, wide]
    assert chosen({**one, "share": 0.8}, view, 2) == [even, wide]
    assert chosen({**one, "classes": "sum"}, view, 2) == [even, tied]


def test_one_vs_rest_ranks_slices_that_all_have_a_boundary() -> None:
    """Every slice has a pixel at one half, where a maximum over pixels would see no difference."""
    view = make_view(seed=3)
    background(view)
    doubtful = np.random.default_rng(0).permutation(view.unlabelled)
    for count, position in enumerate(doubtful):
        view.members[:, position, :, 0, 0] = np.array([0.5, 0.5, 0.0])
        view.members[:, position, :, 1, 1] = np.array([0.9 - 0.01 * count, 0.1 + 0.01 * count, 0.0])
    assert chosen("one_vs_rest", view, len(doubtful)) == doubtful[::-1].tolist()
    highest = OneVsRest(share=1e-4).scores(view, np.random.default_rng(0))
    np.testing.assert_allclose(highest, np.log(2), rtol=1e-6)


# --- foreground by predictions ---


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_predicted_foreground_is_the_reference_on_right_predictions(rho: float) -> None:
    """On predictions that equal the ground truth it makes the draws of oracle_foreground, which reads it."""
    view = make_view()
    view.members[:] = np.eye(3, dtype=np.float32)[view.masks].transpose(0, 3, 1, 2)
    for seed in range(10):
        twin = chosen({"name": "oracle_foreground", "rho": rho}, view, 9, seed)
        assert chosen({"name": "predicted_foreground", "rho": rho}, view, 9, seed) == twin


def test_predicted_foreground_draws_classes_alike_and_the_share_rho() -> None:
    view = make_view(depths=(20, 20), labelled=2)
    background(view)
    many, one = view.unlabelled[:9], view.unlabelled[20]
    view.members[:, many, :, 3, 3] = np.array([0.0, 1.0, 0.0])
    view.members[:, one, :, 5, 5] = np.array([0.0, 0.0, 1.0])
    firsts = [chosen({"name": "predicted_foreground", "rho": 0.8}, view, 1, seed)[0] for seed in range(400)]
    counts = [sum(p in many for p in firsts), sum(p == one for p in firsts)]
    counts.append(400 - sum(counts))
    chance = np.array([0.4 + 0.2 * 9 / 38, 0.4 + 0.2 / 38, 0.2 * 28 / 38])
    assert chisquare(counts, 400 * chance).pvalue > 1e-3
    # with one slice of a class gone, the other class is drawn; with no foreground left, any slice
    assert set(chosen({"name": "predicted_foreground", "rho": 1}, view, 10)) == {*many, one}
    assert len(set(chosen({"name": "predicted_foreground", "rho": 1}, view, 38))) == 38


# --- SUGFW ---


def test_sugfw_takes_the_median_and_then_the_farthest_uncertainty() -> None:
    doubt = np.array([0.1, 0.5, 0.2, 0.9, 0.3, 0.45, 0.46])
    labels = np.array([0, 1, 0, 1, 0, 2, 2])
    # cluster 0 is the largest: its median is .2; in 1, .9 is farther from .2 than .5; in 2, .46 than .45
    assert unlike(doubt, labels, 3).tolist() == [2, 3, 6]
    assert unlike(doubt, labels, 1).tolist() == [2]
    assert sorted(unlike(doubt, labels, 7)) == list(range(7))


def test_sugfw_weights_the_features_by_uncertainty() -> None:
    """Two near directions, each with sure and unsure slices: weighted, sure and unsure ones are the two clusters."""
    view = make_view(depths=(8, 8), labelled=2)
    left = view.unlabelled
    view.features[:] = np.array([1.0, 0, 0, 0, 0])
    view.features[left[::2]] = np.array([0.8, 0.6, 0, 0, 0])
    doubts = np.linspace(0.01, 0.02, len(left))
    unsure = np.isin(np.arange(len(left)), [0, 3, 4, 7])
    doubts[unsure] = np.linspace(0.5, 0.6, 4)
    for doubt, position in zip(doubts, left, strict=True):
        view.turned[:, position] = np.array([1 - doubt, doubt, 0], dtype=np.float32).reshape(3, 1, 1)
    for seed in range(5):
        picks = [int(np.flatnonzero(left == p)[0]) for p in chosen("sugfw", view, 2, seed)]
        # of the ten sure slices, the larger cluster, that of median doubt; then the least certain one. By directions
        # alone the first would be the median of seven slices, 10 or 11
        assert picks == [8, 0]


# --- CSCS ---


def patterned(seed: int = 0) -> SyntheticReferenceView:
    """A pool of smooth slices in one dense cluster, with features of small noise."""
    view = make_view(depths=(15, 15), labelled=1, seed=seed)
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, 16, dtype=np.float32)
    view.pixels[:, 0] = ramp[None, :, None] * rng.uniform(0.8, 1.2, (30, 1, 1))
    view.features = (np.array([1.0, 0, 0, 0, 0]) + 0.05 * rng.normal(size=(30, 5))).astype(np.float32)
    return view


def test_cscs_finds_what_the_autoencoder_cannot_reconstruct() -> None:
    view = patterned()
    hard = view.unlabelled[7]
    view.pixels[hard] = np.random.default_rng(1).random((1, 16, 16))  # noise among ramps
    settings: dict[str, Any] = {"size": 16, "epochs": 12, "batch": 8}
    assert chosen({"name": "cscs", **settings, "max_clusters": 1, "weight": 1}, view, 1) == [hard]
    positions = np.concatenate([view.labelled, view.unlabelled])
    errors = Cscs(**settings).difficulty(view, positions, np.random.default_rng(0))
    assert positions[np.argmax(errors)] == hard and np.sort(errors)[-1] > 3 * np.sort(errors)[-2]


def test_cscs_is_typiclust_without_weight_and_where_all_are_equally_hard() -> None:
    view = patterned(3)
    settings = {"max_clusters": 3, "small": 0}
    twin = chosen({"name": "typiclust", **settings}, view, 5)
    cscs = {"name": "cscs", "size": 16, "epochs": 1, **settings}
    assert chosen({**cscs, "weight": 0}, view, 5) == twin
    view.pixels[:] = 0.5
    assert chosen({**cscs, "weight": 0.9}, view, 5) == twin


# --- targeted facility location ---


def information(alike: np.ndarray, picks: list[int], eta: float) -> float:
    """I(A; T) of picks among rows of similarities (U, T)."""
    return float(alike[picks].max(axis=0).sum() + eta * alike[picks].max(axis=1).sum()) if picks else 0.0


@pytest.mark.parametrize("earlier", [0, 5])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_lazy_greedy_is_greedy(eta: float, earlier: int) -> None:
    rng = np.random.default_rng(0)
    candidates, targets = unit_length(rng.normal(size=(700, 6))), unit_length(rng.normal(size=(40, 6)))
    before = unit_length(rng.normal(size=(earlier, 6)))
    rows, gains = lazy_greedy(candidates, targets, before, 30, eta)
    alike, known = ((1 + part.astype(float) @ targets.astype(float).T) / 2 for part in (candidates, before))
    picks: list[int] = []
    for _ in range(30):
        covered = np.concatenate([known, alike[picks], np.zeros((1, 40))]).max(axis=0)
        gain = np.maximum(alike - covered, 0).sum(axis=1) + eta * alike.max(axis=1)
        gain[picks] = -1
        picks.append(int(np.argmax(gain)))
    assert rows.tolist() == picks and (np.diff(gains) <= 1e-9).all()
    if not earlier:
        assert gains.sum() == pytest.approx(information(alike, picks, eta))


def test_greedy_is_near_the_best_set() -> None:
    """Within 1 - 1/e of the optimum, as for every monotone submodular function (Nemhauser et al. 1978)."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        candidates, targets = unit_length(rng.normal(size=(9, 3))), unit_length(rng.normal(size=(4, 3)))
        alike = (1 + candidates.astype(float) @ targets.astype(float).T) / 2
        most = max(information(alike, list(picks), 0.5) for picks in itertools.combinations(range(9), 3))
        assert lazy_greedy(candidates, targets, candidates[:0], 3, 0.5)[1].sum() >= (1 - 1 / np.e) * most - 1e-9


def test_targets_draw_their_like() -> None:
    view = make_view(depths=(12, 12), labelled=4)
    kind = np.arange(24) % 4
    view.features = np.eye(4, dtype=np.float32)[kind]
    left = view.unlabelled
    named = [int(left[np.flatnonzero(kind[left] == k)[0]]) for k in (1, 2)]
    spec = {"name": "facility_location_target", "targets": ["{}:{}".format(*view.table.locate(p)) for p in named]}
    picks = chosen(spec, view, 6)
    assert set(picks[:2]) == set(named) and set(kind[picks]) == {1, 2}
    # without names: the annotated slices with foreground, and random ones while there are none
    view.masks[:] = 0
    random_ = chosen("random", view, 6)
    assert chosen("facility_location_target", view, 6) == random_
    told = STRATEGIES.build("facility_location_target").select(view, 6, np.random.default_rng(0)).facts
    assert told == {"targets": "none yet, picked at random"}
    view.masks[view.labelled[0]] = 255  # unmarked pixels are no foreground
    assert chosen("facility_location_target", view, 6) == random_
    example = view.labelled[1]
    view.masks[example, 3, 3] = 2
    like = int((kind[left] == kind[example]).sum())
    assert set(kind[chosen("facility_location_target", view, like)]) == {kind[example]}


@pytest.mark.parametrize("eta", [0.0, 0.1, 1.0])
def test_two_queries_pick_what_one_picks_though_targets_are_annotated_meanwhile(eta: float) -> None:
    differs = []
    for seed in range(5):
        view = make_view(depths=(20, 20), labelled=4, seed=seed)
        view.features = np.random.default_rng(seed).normal(size=(40, 6)).astype(np.float32)
        named = view.unlabelled[:4]
        spec = {
            "name": "facility_location_target",
            "targets": ["{}:{}".format(*view.table.locate(int(p))) for p in named],
            "eta": eta,
        }
        at_once = chosen(spec, view, 12)
        view.labelled = np.array([*view.labelled, *at_once[:6]])
        differs.append(chosen(spec, view, 6) != at_once[6:])
        assert set(named) & set(at_once[:6])  # named targets are among the first picks
    assert not any(differs)


def test_sugfw_asks_where_its_uncertainty_comes_from() -> None:
    for score in ("bald", {"name": "entropy"}):
        with pytest.raises(ConfigError, match="score: sugfw .* source: tta, passes: 8"):
            STRATEGIES.build({"name": "sugfw", "score": score})


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (["case0"], "case:z with z from 0.*got 'case0'"),
        (["case0:-1"], "case:z with z from 0"),
        ([":3"], "case:z with z from 0"),
        (["case0:" + 5000 * "1"], "case:z with z from 0"),
        (["cas0:1"], "unknown training case 'cas0'.*Did you mean 'case0'"),
        (["case1:0", "case0:12"], "'case0' has slices 0 to 11, got 'case0:12'"),
    ],
)
def test_wrong_targets_are_told(targets: list[str], says: str) -> None:
    view = make_view(depths=(12, 3))
    with pytest.raises(ConfigError, match=says):
        STRATEGIES.build({"name": "facility_location_target", "targets": targets}).check_pool(view.table)


def test_wrong_targets_are_told_before_any_training(tiny: dict[str, Any], tmp_path: Path) -> None:
    strategy = {"name": "spread", "of": {"name": "facility_location_target", "targets": ["nobody:1"]}}
    tiny["recipe"] = {"name": "aim", "strategy": strategy, "embed": "pixels"}
    with pytest.raises(ConfigError, match="targets: unknown training case 'nobody'"):
        open_material(RunConfig.load(tiny), Store(tmp_path))
