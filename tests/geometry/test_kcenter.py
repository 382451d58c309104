from __future__ import annotations

import itertools

import numpy as np
import pytest

from alseg_core.geometry.distances import distances_to, pair_distances
from alseg_core.geometry.kcenter import cover_radius, densest, k_center_greedy, medoid

NONE = np.zeros(0, dtype=np.int64)


def slow_radius(features: np.ndarray, centres: tuple[int, ...]) -> float:
    return max(min(float(np.linalg.norm(x - features[c])) for c in centres) for x in features)


def test_distances_against_norm() -> None:
    x = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    expected = [np.linalg.norm(row - x[3]) for row in x]
    np.testing.assert_allclose(distances_to(x, x[3]), expected, rtol=1e-6)


def test_a_pair_has_one_distance_wherever_it_is_computed() -> None:
    x = np.random.default_rng(2).normal(size=(3000, 200)).astype(np.float32)
    i, j = np.random.default_rng(3).integers(0, 3000, (2, 5000))
    together = pair_distances(x, i, x, j)
    assert together[:50].tolist() == [float(pair_distances(x, i[k : k + 1], x, j[k : k + 1])[0]) for k in range(50)]
    assert together.tolist() == pair_distances(x, j, x, i).tolist()


def test_equal_points_have_distance_zero_even_far_from_the_origin() -> None:
    x = np.full((4, 3), 1e4, dtype=np.float32)
    assert distances_to(x, x[0]).tolist() == [0, 0, 0, 0]


def test_cover_radius_against_loops() -> None:
    x = np.random.default_rng(1).normal(size=(30, 3))
    assert cover_radius(x, np.array([4, 9])) == pytest.approx(slow_radius(x, (4, 9)))
    assert np.isinf(cover_radius(x, NONE))


@pytest.mark.parametrize("seed", range(20))
def test_within_factor_two_of_the_best_cover(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(10, 2)) * rng.choice([1, 8], size=(10, 1))
    labelled = rng.permutation(10)[:2]  # a shuffled, non-contiguous pool
    rest = [i for i in range(10) if i not in labelled]
    picks, _ = k_center_greedy(x, labelled, np.array(rest), 3)
    ours = slow_radius(x, (*labelled, *picks))
    best = min(slow_radius(x, (*labelled, *c)) for c in itertools.combinations(rest, 3))
    assert best <= ours <= 2 * best + 1e-9


def test_farthest_first_against_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 5))
    centres = [17, 3]
    picks, gaps = k_center_greedy(x, np.array(centres), np.setdiff1d(np.arange(40), centres), 6)
    for pick, gap in zip(picks, gaps, strict=True):
        nearest = [-1 if i in centres else float(min(np.linalg.norm(x[i] - x[c]) for c in centres)) for i in range(40)]
        assert pick == int(np.argmax(nearest))
        assert gap == pytest.approx(max(nearest))
        centres.append(int(pick))


def test_ties_go_to_the_candidate_listed_first_and_no_point_is_picked_twice() -> None:
    x = np.zeros((5, 2))
    for candidates in ([0, 2, 3, 4], [3, 0, 4, 2]):
        picks, _ = k_center_greedy(x, np.array([1]), np.array(candidates), 4)
        assert picks.tolist() == candidates


def test_only_candidates_are_picked() -> None:
    x = np.arange(10.0)[:, None]
    picks, gaps = k_center_greedy(x, np.array([0]), np.array([2, 5, 3]), 3)
    assert picks.tolist() == [5, 2, 3] and gaps.tolist() == [5, 2, 1]


def test_cold_start_begins_with_the_given_point() -> None:
    x = np.arange(6.0)[:, None]
    picks, gaps = k_center_greedy(x, NONE, np.arange(6), 3, first=2)
    assert picks.tolist() == [2, 5, 0]
    assert gaps.tolist() == [np.inf, 3, 2]


def test_medoid_is_the_middle_point() -> None:
    assert medoid(np.array([[0.0], [1], [2], [3], [4]])) == 2


def test_densest_point_lies_in_the_tightest_cluster_where_the_medoid_lies_between() -> None:
    rng = np.random.default_rng(0)
    tight, loose = -10 + 0.1 * rng.normal(size=(25, 2)), 10 + 3 * rng.normal(size=(25, 2))
    x = np.concatenate([loose, [[0.0, 0.0]], tight])
    assert medoid(x) == 25
    slow = [np.sort(np.linalg.norm(x - point, axis=1))[1:21].mean() for point in x]
    assert densest(x) == int(np.argmin(slow)) > 25


@pytest.mark.parametrize("n", [1, 2, 3])
def test_densest_of_few_or_equal_points(n: int) -> None:
    assert densest(np.ones((n, 2))) == 0
