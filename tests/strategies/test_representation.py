"""Representation strategies on pools with known answers, against slow truth written from the formulas."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from alseg_core.data.slices import SliceTable
from alseg_core.geometry.clusters import k_means, unit_length
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.badge import gradient_embedding
from alseg_core.strategies.conformance import CHECKS
from alseg_core.strategies.prob_cover import pure_radius
from alseg_core.strategies.synthetic_view import SyntheticView
from alseg_core.strategies.typiclust import typicality
from alseg_core.vocabulary import IGNORE

torch.set_num_threads(1)

VARIANTS = {
    "medoid": {"name": "coreset", "start": "medoid"},
    "densest": {"name": "coreset", "start": "densest"},
    "wide balls": {"name": "prob_cover", "delta": 1.0},
    "few clusters": {"name": "typiclust", "max_clusters": 3, "small": 0},
    "pixels alone": {"name": "pixel_fusion", "pixel_weight": 1e6, "copies": 1e-6},
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_conform(name: str, check: Any) -> None:
    check(STRATEGIES.build(VARIANTS[name]))


def pool(features: np.ndarray, labelled: list[int] | np.ndarray = (), seed: int = 0, **arrays: Any) -> SyntheticView:  # type: ignore[assignment]
    """Slices with these features whose positions are shuffled over volumes and z; ``labelled`` of them annotated."""
    n = len(features)
    view = SyntheticView.make((n - n // 2, n // 2), 1, seed, size=8)
    view.features = np.asarray(features, dtype=np.float32)
    for name, value in arrays.items():
        setattr(view, name, value)
    table: SliceTable = view.table
    labelled = np.asarray(labelled, dtype=np.int64)
    view.labelled = labelled[np.lexsort((table.z[labelled], table.volume[labelled]))]
    view.has_networks = len(labelled) > 0
    return view


def select(spec: Any, view: SyntheticView, budget: int, seed: int = 0) -> np.ndarray:
    return STRATEGIES.build(spec).select(view, budget, np.random.default_rng(seed)).positions


def directions(sizes: list[int], noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of directions on the sphere in shuffled order: features and the cluster of each."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = np.eye(len(sizes) + 2)[kind] + noise * rng.normal(size=(len(kind), len(sizes) + 2))
    return features * rng.uniform(1, 9, size=(len(kind), 1)), kind  # lengths do not matter


# --- TypiClust ------------------------------------------------------------------------------------------------------


def test_typicality_against_its_formula() -> None:
    rng = np.random.default_rng(0)
    for n, neighbours in ((50, 20), (50, 100), (7, 20), (2, 20)):
        x = rng.normal(size=(n, 3)).astype(np.float32)
        k = min(neighbours, n // 2)
        slow = [1 / np.sort(np.linalg.norm(np.delete(x, i, axis=0) - x[i], axis=1))[:k].mean() for i in range(n)]
        np.testing.assert_allclose(typicality(x, neighbours), slow, rtol=1e-4)
    assert typicality(np.ones((1, 3)), 20).tolist() == [0]
    assert np.isinf(typicality(np.ones((9, 3)), 3)).all()


def test_typiclust_takes_one_slice_of_each_cluster_the_largest_first() -> None:
    features, kind = directions([40, 25, 15, 8])
    for seed in range(3):
        picks = select("typiclust", pool(features, seed=seed), 4, seed)
        assert kind[picks].tolist() == [0, 1, 2, 3]


def test_typiclust_visits_clusters_without_a_label_first() -> None:
    features, kind = directions([40, 25, 15, 8])
    labelled = [int(np.flatnonzero(kind == c)[0]) for c in (0, 2)]
    picks = select({"name": "typiclust", "max_clusters": 4}, pool(features, labelled), 4)
    assert kind[picks].tolist() == [1, 3, 0, 1]  # then all have one, and large ones are first


def test_typiclust_takes_the_typical_slice() -> None:
    features, kind = directions([40, 30], noise=0.2)
    for c in range(2):
        features[np.flatnonzero(kind == c)[0]] = 5 * np.eye(4)[c] + [0, 0, 2.5, 2.5]  # outliers that come first
    picks = select("typiclust", pool(features), 2)
    x = unit_length(features)
    for c, pick in enumerate(picks):
        members = np.flatnonzero(kind == c)
        k = min(20, len(members) // 2)
        means = [np.sort(np.linalg.norm(x[members] - x[i], axis=1))[1 : 1 + k].mean() for i in members]
        assert pick == members[int(np.argmin(means))]


def test_typiclust_looks_at_slices_without_a_label_only() -> None:
    """Slices around the labelled ones are crowded, but the typical slice is in the crowd that has no label yet."""
    rng = np.random.default_rng(0)
    crowd = np.array([1.0, 0.0, 0.0]) + 0.01 * rng.normal(size=(12, 3))
    beside = np.array([1.0, 0.3, 0.0]) + 0.02 * rng.normal(size=(8, 3))
    far = np.array([0.0, 0.0, 1.0]) + 0.01 * rng.normal(size=(3, 3))
    features = np.concatenate([crowd, beside, far])
    for labelled, expected in (([], crowd), ([*range(11)], beside)):
        settings = {"name": "typiclust", "max_clusters": 2, "neighbours": 4}
        (pick,) = select(settings, pool(features, labelled), 1)
        assert features[pick] in expected
    members = unit_length(features[11:20])  # with ten of the crowd labelled, of these nine
    (pick,) = select({"name": "typiclust", "max_clusters": 2, "neighbours": 4}, pool(features, [*range(11)]), 1)
    means = [np.sort(np.linalg.norm(members - x, axis=1))[1:5].mean() for x in members]
    assert pick == 11 + int(np.argmin(means))


def test_typiclust_picks_of_one_cluster_do_not_support_each_other() -> None:
    features, kind = directions([30, 12], noise=0.2)
    picks = select({"name": "typiclust", "max_clusters": 2, "neighbours": 3}, pool(features), 4)
    x = unit_length(features)
    for c in range(2):
        left = [int(i) for i in np.flatnonzero(kind == c)]
        for pick in picks[kind[picks] == c]:
            means = [np.sort(np.linalg.norm(x[left] - x[i], axis=1))[1:4].mean() for i in left]
            assert pick == left[int(np.argmin(means))]
            left.remove(int(pick))


def test_typiclust_passes_over_small_clusters_while_it_can() -> None:
    features, kind = directions([30, 20, 5, 3])
    settings = {"name": "typiclust", "max_clusters": 4}
    assert kind[select(settings, pool(features), 4)].tolist() == [0, 1, 0, 1]
    assert kind[select({**settings, "small": 4}, pool(features), 4)].tolist() == [0, 1, 2, 0]
    assert set(kind[select(settings, pool(features), 52)]) == {0, 1, 2}  # the limit is lowered as far as needed
    assert set(kind[select(settings, pool(features), 57)]) == {0, 1, 2, 3}


# --- ProbCover ------------------------------------------------------------------------------------------------------


def angles(degrees: list[float] | np.ndarray) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def slow_cover(features: np.ndarray, labelled: list[int], order: np.ndarray, delta: float, budget: int) -> list[int]:
    """Greedy cover by plain loops; ties go to the candidate listed first, and it stops when all is covered."""
    n = len(features)
    balls = [{j for j in range(n) if np.linalg.norm(features[i] - features[j]) < delta} for i in range(n)]
    covered = set().union(*(balls[i] for i in labelled)) if labelled else set()
    picks: list[int] = []
    for _ in range(budget):
        gains = {int(i): len(balls[i] - covered) for i in order if i not in picks}
        pick = max(gains, key=lambda i: gains[i])
        if gains[pick] == 0:
            break
        picks.append(pick)
        covered |= balls[pick]
    return picks


@pytest.mark.parametrize("labelled", [0, 4])
@pytest.mark.parametrize("delta", [0.2, 0.6])
def test_prob_cover_against_plain_loops(labelled: int, delta: float) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        features = unit_length(rng.normal(size=(60, 3)))
        known = rng.permutation(60)[:labelled].tolist()
        view = pool(features, known, seed)
        selection = STRATEGIES.build({"name": "prob_cover", "delta": delta}).select(view, 40, rng)
        expected = slow_cover(features, known, view.unlabelled, delta, 40)
        assert selection.positions[: len(expected)].tolist() == expected
        assert selection.scores is not None and (np.diff(selection.scores) <= 0).all()
        assert (selection.scores[: len(expected)] > 0).all() and (selection.scores[len(expected) :] == 0).all()


def test_prob_cover_reaches_every_row() -> None:
    """The centre of a star covers all points, whatever its row in the pool."""
    star = angles(np.linspace(0, 300, 11))
    for place in range(12):
        features = np.insert(np.column_stack([star * 0.6, np.full(11, 0.8)]), place, [0, 0, 1], axis=0)
        assert select({"name": "prob_cover", "delta": 0.7}, pool(features, seed=place), 1).tolist() == [place]


def test_prob_cover_covers_what_is_labelled_from_the_start() -> None:
    features = angles([0, 1, 2, 3, 4, 90, 91, 180])
    assert select({"name": "prob_cover", "delta": 0.2}, pool(features, [0]), 2).tolist()[1] == 7
    assert select({"name": "prob_cover", "delta": 0.2}, pool(features, [0]), 1)[0] in (5, 6)


def test_pure_radius_is_the_largest_one_that_is_pure_enough() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 2)).astype(np.float32)
    labels = (features[:, 0] + 0.3 * rng.normal(size=60) > 0).astype(np.int64)
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)

    def purity(radius: float) -> float:
        return float(np.mean([len(set(labels[distance[i] < radius])) == 1 for i in range(60)]))

    for wanted in (0.5, 0.9, 0.95, 1.0):
        radius = pure_radius(features, labels, wanted)
        assert purity(radius * (1 - 1e-6)) >= wanted > purity(radius * (1 + 1e-6))
    assert pure_radius(features, np.zeros(60, dtype=np.int64), 0.95) == np.inf


def test_prob_cover_finds_its_radius() -> None:
    """Four tight clusters: balls are pure up to the gaps between them, so that four picks cover everything."""
    features, kind = directions([30, 20, 15, 10], noise=0.03)
    settings = {"name": "prob_cover", "pseudo_classes": 4, "purity": 1.0}
    selection = STRATEGIES.build(settings).select(pool(features), 6, np.random.default_rng(0))
    assert kind[selection.positions[:4]].tolist() == [0, 1, 2, 3]
    assert selection.scores is not None and selection.scores.tolist() == [30, 20, 15, 10, 0, 0]


def test_prob_cover_keeps_its_radius_over_the_rounds() -> None:
    features = np.random.default_rng(3).normal(size=(200, 3))
    strategy = STRATEGIES.build("prob_cover")
    radii = {strategy.radius(pool(features, np.arange(n))) for n in (0, 7, 60)}  # type: ignore[attr-defined]
    assert len(radii) == 1


# --- ALPS -----------------------------------------------------------------------------------------------------------


def test_alps_takes_the_slice_nearest_to_each_centroid() -> None:
    features, kind = directions([30, 20, 10])
    picks = select("alps", pool(features), 3)
    x = unit_length(features)
    nearest = []
    for c in range(3):
        members = np.flatnonzero(kind == c)
        nearest.append(members[np.argmin(np.linalg.norm(x[members] - x[members].mean(axis=0), axis=1))])
    assert picks.tolist() == nearest  # larger clusters first


def test_alps_leaves_labelled_clusters_alone() -> None:
    features, kind = directions([30, 20, 10], noise=0.02)
    labelled = np.flatnonzero(kind == 0)[:1]
    view = pool(features, labelled)
    clusters = k_means(unit_length(features), 3, np.random.default_rng(0))
    assert len(set(zip(clusters.labels.tolist(), kind.tolist(), strict=True))) == 3
    assert kind[select("alps", view, 2)].tolist() == [1, 2]


# --- CoreGCN --------------------------------------------------------------------------------------------------------


def test_core_gcn_picks_where_nothing_is_labelled() -> None:
    """With all labels in one of two directions, the picks come from the other, for any numbering of positions."""
    rng = np.random.default_rng(0)
    for seed in range(3):
        kind = rng.permutation(np.repeat([0, 1], [30, 30]))
        features = np.abs(np.eye(6)[kind] + 0.1 * rng.normal(size=(60, 6)))
        view = pool(features, np.flatnonzero(kind == 0)[:12], seed)
        assert kind[select("core_gcn", view, 1, seed)].tolist() == [1]
        order = rng.permutation(60)
        assert kind[order][select("core_gcn", view.renumbered(order), 1, seed)].tolist() == [1]


def test_core_gcn_tells_labelled_from_unlabelled() -> None:
    """Graph features separate the labelled kind from the other, relative to the distances within each."""
    features, kind = directions([40, 40], noise=0.15)
    features = np.abs(features)
    order = np.concatenate([np.flatnonzero(kind == 1), np.flatnonzero(kind == 0)])
    strategy = STRATEGIES.build("core_gcn")
    hidden = strategy._graph_features(unit_length(features[order]), 40, "cpu", np.random.default_rng(0))  # type: ignore[attr-defined]
    between = np.linalg.norm(hidden[:40].mean(axis=0) - hidden[40:].mean(axis=0))
    within = max(np.linalg.norm(part - part.mean(axis=0), axis=1).mean() for part in (hidden[:40], hidden[40:]))
    assert hidden.shape == (80, 128) and between > 5 * within


# --- VAAL -----------------------------------------------------------------------------------------------------------


def stripes(kind: np.ndarray, size: int = 16, seed: int = 0) -> np.ndarray:
    """(n, 1, size, size) images: stripes along rows (kind 0) or columns (kind 1), of random phase, under noise."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(size) / 8 + rng.uniform(0, 6.28, size=(len(kind), 1)))
    along = np.repeat(wave[:, None], size, axis=1)
    images = np.where(kind[:, None, None] == 1, along, along.transpose(0, 2, 1)) + 0.2 * rng.normal(size=along.shape)
    return images[:, None].astype(np.float32)


def vaal_verdicts(sizes: tuple[int, int], labelled: int, settings: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """D of the labelled slices, all of one kind, of unlabelled slices of that kind and of the other; the kinds picked.

    sizes: slices of each kind.
    """
    kind = np.random.default_rng(0).permutation(np.repeat([0, 1], sizes))
    strategy = STRATEGIES.build({"name": "vaal", **settings})
    images = stripes(kind, strategy.size)  # type: ignore[attr-defined]
    view = pool(np.zeros((len(kind), 1)), np.flatnonzero(kind == 0)[:labelled], pixels=images)
    unlabelled, known = np.split(strategy.likeness(view, np.random.default_rng(0)), [len(view.unlabelled)])  # type: ignore[attr-defined]
    picks = view.unlabelled[np.argsort(unlabelled, kind="stable")[:10]]
    other = kind[view.unlabelled] == 1
    return known, unlabelled[~other], unlabelled[other], kind[picks]


QUICK_VAAL = {"size": 16, "latent": 8, "epochs": 30, "batch": 20, "lr": 1e-3}


@pytest.mark.parametrize(
    ("sizes", "labelled", "settings"),
    [((45, 25), 30, QUICK_VAAL), ((100, 50), 50, {})],
    ids=["quick", "default settings"],
)
def test_vaal_tells_labelled_from_unlabelled_and_picks_the_other_kind(
    sizes: tuple[int, int], labelled: int, settings: dict[str, Any]
) -> None:
    known, alike, other, picked = vaal_verdicts(sizes, labelled, settings)
    assert known.mean() > alike.mean() > other.mean()
    assert known.mean() > other.mean() + 0.4
    assert (picked == 1).all()


def test_vaal_whose_discriminator_gets_one_label_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The released code trains the discriminator with "labelled" as the truth of both halves of a batch."""
    honest = functional.binary_cross_entropy_with_logits
    monkeypatch.setattr(
        functional, "binary_cross_entropy_with_logits", lambda logits, truth: honest(logits, torch.ones_like(truth))
    )
    known, alike, other, picked = vaal_verdicts((45, 25), 30, QUICK_VAAL)
    assert min(known.min(), alike.min(), other.min()) > 0.9
    assert abs(known.mean() - other.mean()) < 0.05
    assert not (picked == 1).all()


def test_vaal_scores_are_the_discriminators_doubt() -> None:
    kind = np.random.default_rng(0).permutation(np.repeat([0, 1], [20, 10]))
    view = pool(np.zeros((30, 1)), np.flatnonzero(kind == 0)[:8], pixels=stripes(kind))
    strategy = STRATEGIES.build({"name": "vaal", **QUICK_VAAL, "epochs": 3})
    likeness = strategy.likeness(view, np.random.default_rng(0))[: len(view.unlabelled)]  # type: ignore[attr-defined]
    selection = strategy.select(view, 6, np.random.default_rng(0))
    order = np.argsort(likeness)[:6]
    assert selection.positions.tolist() == view.unlabelled[order].tolist()
    assert selection.scores == pytest.approx(1 - likeness[order])


def test_vaal_starts_with_the_slices_of_the_random_baseline() -> None:
    view = pool(np.zeros((20, 1)))
    assert select("vaal", view, 5, 3).tolist() == select("random", view, 5, 3).tolist()


# --- BADGE ----------------------------------------------------------------------------------------------------------


def test_gradient_embedding_is_the_gradient_of_the_last_layer() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 5, 4, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 5, generator=generator, dtype=torch.float64).requires_grad_()
    probabilities = torch.einsum("kd,bdhw->bkhw", weight, maps).softmax(dim=1)
    found = gradient_embedding(probabilities.detach(), maps)
    for i in range(3):
        logits = torch.einsum("kd,dhw->khw", weight, maps[i])[None]
        loss = functional.cross_entropy(logits, logits.argmax(dim=1))
        (expected,) = torch.autograd.grad(loss, weight)
        torch.testing.assert_close(found[i], expected)


def test_gradient_embedding_by_hand() -> None:
    """One slice of two pixels, p = (.7, .3) and (.4, .6), h = (1, 2) and (3, 0)."""
    probabilities = torch.tensor([[[[0.7, 0.4]], [[0.3, 0.6]]]])
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])
    # (p - e_y): (-.3, .3) and (.4, -.4)
    expected = torch.tensor([[[(-0.3 + 1.2) / 2, -0.3], [(0.3 - 1.2) / 2, 0.3]]])
    torch.testing.assert_close(gradient_embedding(probabilities, features), expected)


def test_badge_picks_are_diverse_and_uncertain() -> None:
    """Three kinds of features; a fourth kind of slices is certain, so that its gradients vanish."""
    rng = np.random.default_rng(0)
    kind = rng.permutation(np.repeat(np.arange(4), [30, 10, 5, 15]))
    view = pool(np.zeros((60, 1)), np.flatnonzero(kind == 3)[:2])
    view.maps = np.broadcast_to(5 * np.eye(4, dtype=np.float32)[kind][:, :, None, None], (60, 4, 8, 8)).copy()
    view.maps += 0.1 * rng.normal(size=view.maps.shape).astype(np.float32)
    view.members = np.full((3, 60, 3, 8, 8), 0.3, dtype=np.float32)
    view.members[:, :, 0] = 0.4
    view.members[:, kind == 3] = np.array([1.0, 0, 0], dtype=np.float32)[:, None, None]
    draws = [kind[select("badge", view, 4, seed)] for seed in range(40)]
    assert np.mean([{0, 1, 2} <= set(draw.tolist()) for draw in draws]) > 0.9
    assert max(np.count_nonzero(draw == 3) for draw in draws) == 1  # their vectors are zero: one stands for all of them
    picks = select("badge", view, 58)  # fewer different vectors than slices to pick
    assert len(set(picks.tolist())) == 58


# --- pixel fusion ---------------------------------------------------------------------------------------------------


def slow_fusion(view: SyntheticView, budget: int, first: int | None, weight: float, copies: float) -> list[int]:
    """Farthest first by the formula, pair by pair."""
    positions, labels = view.bought()
    marks = {int(p): label != IGNORE for p, label in zip(positions, labels, strict=True)}
    usual = np.mean([m.sum() for m in marks.values()]) if marks else 0

    def distance(x: int, c: int) -> float:
        embedded = np.sqrt(copies) * np.linalg.norm(view.features[x] - view.features[c])
        squared = (view.pixels[x].astype(np.float64) - view.pixels[c]) ** 2
        if c in marks and marks[c].any():
            return float(weight * np.sqrt(squared[:, marks[c]].sum()) / marks[c].sum() + embedded)
        if usual == 0:
            return float(embedded)
        rms = np.sqrt(squared.sum() / squared[0].size)
        return float(weight * rms / np.sqrt(usual) + embedded)

    centres = list(marks)
    picks: list[int] = []
    for _ in range(budget):
        if not centres:
            assert first is not None
            pick = first
        else:
            gaps = {int(x): min(distance(x, c) for c in centres) for x in view.unlabelled if x not in picks}
            pick = max(gaps, key=lambda x: gaps[x])
        picks.append(pick)
        centres.append(pick)
    return picks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("labels", ["scribbles", "masks", "some without marks", "none marked", "nothing bought"])
def test_pixel_fusion_against_a_loop_over_pairs(labels: str, channels: int) -> None:
    rng = np.random.default_rng(1)
    weight, copies = 20.0, 12.0
    known = [] if labels == "nothing bought" else rng.permutation(40)[:7].tolist()
    view = pool(rng.normal(size=(40, 5)), known, pixels=rng.random((40, channels, 8, 8), dtype=np.float32))
    masks = rng.integers(0, 3, (40, 8, 8)).astype(np.uint8)
    share = {"scribbles": 0.1, "masks": 1.0, "some without marks": 0.02, "none marked": 0.0, "nothing bought": 0.1}
    masks[rng.random(masks.shape) >= share[labels]] = IGNORE
    view.masks = masks
    if labels == "some without marks":
        counts = (masks[known] != IGNORE).sum(axis=(1, 2))
        assert (counts == 0).any() and (counts > 0).any()
    settings = {"name": "pixel_fusion", "pixel_weight": weight, "copies": copies}
    picks = select(settings, view, 12)
    assert picks.tolist() == slow_fusion(view, 12, int(picks[0]), weight, copies)


def test_pixel_fusion_reads_only_the_marked_pixels_of_a_bought_slice() -> None:
    """Two slices with one embedding differ from the centre in a marked and in an unmarked corner."""
    pixels = np.zeros((3, 1, 8, 8), dtype=np.float32)
    pixels[1, 0, 0, 0] = pixels[2, 0, 7, 7] = 1
    masks = np.full((3, 8, 8), IGNORE, dtype=np.uint8)
    for corner, expected in (((0, 0), 1), ((7, 7), 2)):
        view = pool(np.zeros((3, 2)), [0], pixels=pixels)
        view.masks = masks.copy()
        view.masks[0][corner] = 1
        assert select("pixel_fusion", view, 1).tolist() == [expected]


# --- coreset --------------------------------------------------------------------------------------------------------


def two_blobs(seed: int) -> np.ndarray:
    """(51, 2): a tight blob (rows 0..24), a loose one (rows 25..49) and row 50 in the middle between them."""
    rng = np.random.default_rng(seed)
    return np.concatenate([-10 + 0.1 * rng.normal(size=(25, 2)), 10 + rng.normal(size=(25, 2)), [[0, 0]]])


@pytest.mark.parametrize("seed", range(4))
def test_starts_of_coreset(seed: int) -> None:
    features = two_blobs(seed)
    view = pool(features, seed=seed)
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    middle = int(np.argmin(np.linalg.norm(features - features.mean(axis=0), axis=1)))
    dense = int(np.argmin(np.sort(distance, axis=1)[:, 1:21].mean(axis=1)))
    assert middle == 50 and dense < 25
    firsts: dict[str, set[int]] = {}
    for start, draw in itertools.product(("random", "medoid", "densest"), range(20)):
        picks = select({"name": "coreset", "start": start}, view, 3, draw)
        firsts.setdefault(start, set()).add(int(picks[0]))
        assert picks.min() < 25 and ((picks >= 25) & (picks < 50)).any()  # both blobs, wherever it starts
        for i in (1, 2):  # and each further pick is the farthest from those before it
            gap = distance[picks[:i]].min(axis=0)
            assert gap[picks[i]] == pytest.approx(gap.max(), rel=1e-5)
    assert firsts["medoid"] == {middle} and firsts["densest"] == {dense} and len(firsts["random"]) > 10


def test_start_of_coreset_is_used_only_where_nothing_is_annotated() -> None:
    view = pool(two_blobs(0), [3])
    picks = {tuple(select({"name": "coreset", "start": start}, view, 2)) for start in ("random", "medoid", "densest")}
    assert len(picks) == 1
    assert 25 <= picks.pop()[0] < 50
