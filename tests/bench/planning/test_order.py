"""The order in which runs start."""

from __future__ import annotations

from bench.planning.order import SLOWER, in_turn, starting_order, wall

SEEDS = {f"{recipe}{seed}": seed for recipe in ("entropy", "gcl", "random") for seed in range(5)}
LEFT = {key: 300.0 if key.startswith("gcl") else 60.0 for key in SEEDS}


def together(order: list[str], left: dict[str, float], places: int) -> float:
    return in_turn((left[key] for key in order), places)


def test_all_recipes_of_a_seed_come_before_the_next_seed() -> None:
    even = dict.fromkeys(SEEDS, 60.0)
    order = starting_order(even, SEEDS, set(), 2)
    assert [SEEDS[key] for key in order] == sorted(SEEDS.values())


def test_only_as_many_seeds_are_mixed_as_a_short_tail_needs() -> None:
    order = starting_order(LEFT, SEEDS, set(), 4)
    assert [SEEDS[key] for key in order] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 3, 4, 3, 4]
    assert order[:3] == ["gcl0", "entropy0", "random0"]  # the longest first
    by_seed = sorted(order, key=lambda key: SEEDS[key])
    assert together(by_seed, LEFT, 4) > SLOWER * together(order, LEFT, 4)


def test_a_run_that_waits_for_another_one_comes_last_of_its_seed() -> None:
    waiting = {key for key in SEEDS if key.startswith("entropy")}
    assert starting_order(LEFT, SEEDS, waiting, 4)[:3] == ["gcl0", "random0", "entropy0"]


def test_a_long_run_that_would_end_alone_comes_early() -> None:
    long = {**dict.fromkeys(SEEDS, 10.0), "gcl4": 100.0}
    order = starting_order(long, SEEDS, set(), 4)
    assert "gcl4" in order[:4] and together(order, long, 4) == wall(list(long.values()), 4)
