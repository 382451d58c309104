"""k-means against scikit-learn, and its results for equal points, many clusters and other orders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from alseg_core.geometry.clusters import k_means, plus_plus, unit_length, visit

torch.set_num_threads(1)


def blobs(n: int = 300, k: int = 6, d: int = 8, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, k, n)
    return (rng.normal(size=(k, d))[kind] * 3 + noise * rng.normal(size=(n, d))).astype(np.float32), kind


def inertia(features: np.ndarray, labels: np.ndarray) -> float:
    """Sum of squared distances to the mean of the own cluster."""
    parts = [features[labels == c].astype(np.float64) for c in np.unique(labels)]
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))


@pytest.mark.parametrize("k", [2, 6, 25])
@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_as_good_as_scikit_learn(k: int, noise: float) -> None:
    features, _ = blobs(noise=noise)
    clusters = k_means(features, k, np.random.default_rng(0))
    best = KMeans(k, n_init=10, random_state=0).fit(features).inertia_
    assert inertia(features, clusters.labels) < 1.06 * best
    means = [features[clusters.labels == c].mean(axis=0) for c in range(k)]
    np.testing.assert_allclose(clusters.centroids, means, atol=1e-4)


def test_separate_blobs_are_found() -> None:
    features, kind = blobs()
    labels = k_means(features, 6, np.random.default_rng(1)).labels
    assert len(set(zip(labels.tolist(), kind.tolist(), strict=True))) == 6


def test_repeatable_and_by_its_generator_alone() -> None:
    features, _ = blobs(noise=3.0)
    results = []
    for noise, seed in ((0, 5), (1, 5), (0, 6)):
        np.random.seed(noise)
        results.append(k_means(features, 20, np.random.default_rng(seed)).labels)
    assert np.array_equal(results[0], results[1]) and not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("k", [1, 3, 40, 119, 120, 121, 500])
def test_no_cluster_is_empty_and_equal_points_stay_together(k: int) -> None:
    rng = np.random.default_rng(2)
    different = rng.normal(size=(120, 3)).astype(np.float32)
    different[0], different[1] = 0.0, 1e3  # an outlier, and a zero that has a sign in its copy
    copies = np.concatenate([np.arange(120), rng.integers(0, 120, 200)])
    features = different[copies]
    features[np.flatnonzero(copies == 0)[1:]] *= -1
    clusters = k_means(features, k, rng)
    assert sorted(set(clusters.labels.tolist())) == list(range(min(k, 120))) == list(range(len(clusters)))
    for point in range(120):
        assert len(set(clusters.labels[copies == point].tolist())) == 1


def test_all_points_equal() -> None:
    clusters = k_means(np.full((9, 4), 2.0), 5, np.random.default_rng(0))
    assert clusters.labels.tolist() == [0] * 9 and clusters.centroids.tolist() == [[2.0] * 4]


def test_spherical_clusters_are_directions() -> None:
    rng = np.random.default_rng(3)
    kind = rng.integers(0, 3, 90)
    directions = unit_length(np.eye(3)[kind] + 0.1 * rng.normal(size=(90, 3)))
    features = directions * rng.uniform(0.01, 100, size=(90, 1)).astype(np.float32)
    clusters = k_means(features, 3, rng, spherical=True)
    assert len(set(zip(clusters.labels.tolist(), kind.tolist(), strict=True))) == 3
    np.testing.assert_allclose(np.linalg.norm(clusters.centroids, axis=1), 1, atol=1e-5)
    plain = k_means(features, 3, rng)
    assert len(set(zip(plain.labels.tolist(), kind.tolist(), strict=True))) > 3  # by length, not by direction


def test_unit_length_leaves_zero_vectors() -> None:
    np.testing.assert_allclose(unit_length(np.array([[3.0, 4.0], [0, 0]])), np.array([[0.6, 0.8], [0, 0]]), atol=1e-7)


def test_plus_plus_draws_by_squared_distance() -> None:
    """Points 0, 1 and 3 on a line: after the first, the chance of a point is its squared distance over their sum."""
    line = np.array([[0.0], [1.0], [3.0]])
    counts = np.zeros((3, 3))
    for seed in range(3000):
        first, second = plus_plus(line, 2, np.random.default_rng(seed))
        counts[first, second] += 1
    squared = (line - line.T) ** 2
    expected = squared / squared.sum(axis=1, keepdims=True) * 1000
    assert np.abs(counts - expected).max() < 5 * np.sqrt(1000 * 0.25)


@pytest.mark.parametrize("noise", [0.05, 3.0])
def test_plus_plus_passes_over_no_point_that_got_nearer(noise: float) -> None:
    features, _ = blobs(noise=noise)
    rows, rng = plus_plus(features, 40, np.random.default_rng(7)), np.random.default_rng(7)
    squared = ((features[:, None].astype(np.float64) - features[None]) ** 2).sum(axis=2)
    for i, row in enumerate(rows):
        chance = squared[rows[:i]].min(axis=0) if i else np.ones(len(features))
        assert row == rng.choice(len(features), p=chance / chance.sum())


def test_plus_plus_weights() -> None:
    line, weights = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 3.0])
    firsts = [int(plus_plus(line, 1, np.random.default_rng(seed), weights)[0]) for seed in range(2000)]
    assert np.abs(np.bincount(firsts, minlength=3) - np.array([0, 500, 1500])).max() < 5 * np.sqrt(2000 * 0.19)


def test_plus_plus_draws_different_rows_where_points_are_equal() -> None:
    points = np.array([[1.0], [1.0], [1.0], [5.0]])
    for seed in range(20):
        rows = plus_plus(points, 4, np.random.default_rng(seed))
        assert sorted(rows.tolist()) == [0, 1, 2, 3] and 3 in rows[:2]


def test_clusters_are_visited_by_labels_then_size() -> None:
    labels = np.repeat([0, 1, 2, 3], [5, 3, 4, 1])
    annotated, candidates = np.array([0]), np.arange(1, 13)
    # 2 and 1 and 3 have no label, largest first; then all have one, largest first; 3 has nothing left
    assert visit(labels, annotated, candidates, 7) == [2, 1, 3, 0, 2, 1, 0]
