"""The outlook on another round, in numbers and in words."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from alseg_core.errors import ConfigError, DataError
from bench.project.outlook import Outlook, Point, outlook
from bench.project.outlook.forecast import noise_of


def rounds(*scores: float | None, batch: float = 10) -> list[Point]:
    return [Point(batch * number, score) for number, score in enumerate(scores, start=1)]


def sane(found: Outlook) -> None:
    """The numbers agree with each other."""
    low, high = found.interval
    assert 0 <= low <= found.score <= high <= 1
    assert 0 <= found.gain <= 1
    assert found.gain_interval == pytest.approx((low - found.last, high - found.last))
    assert 0 <= found.chance <= 1


def test_a_level_curve_says_stop_and_a_rising_one_go_on() -> None:
    level = outlook(rounds(0.6, 0.8, 0.88, 0.89, 0.9, 0.895, 0.9, 0.9, 0.9), 10)
    assert level.advice == "stop"
    assert abs(level.gain) < 0.02
    low, high = (_signed(change) for change in level.gain_interval)
    assert level.text == (
        f"Dice 0.90 with 90 slices. 10 more are expected to change the measured Dice by "
        f"{_signed(level.score - level.last)} (80 % interval {low} to {high}). Stop, unless that is worth it to you: "
        f"apart from the noise of single scores, the expected gain is {_signed(level.gain)}, and the odds of at least "
        f"0.01 are {round(100 * level.chance)} %."
    )
    rising = outlook(rounds(0.3, 0.4, 0.48, 0.54, 0.6), 10)
    assert rising.advice == "go on" and rising.gain > 0.01
    assert f"and the odds of at least 0.01 are {round(100 * rising.chance)} %." in rising.text
    for found in (level, rising):
        sane(found)
    # what is worth a round is the user's to say
    assert outlook(rounds(0.3, 0.4, 0.48, 0.54, 0.6), 10, threshold=0.2).advice == "stop"


@pytest.mark.parametrize("level", [(0.8,) * 4, (0.8, 0.805, 0.8, 0.803), (0.5, 0.7, 0.78, 0.8, 0.8, 0.8, 0.8)])
def test_four_level_rounds_say_stop_and_three_do_not(level: tuple[float, ...]) -> None:
    assert outlook(rounds(*level), 10).advice == "stop"
    three = outlook(rounds(0.8, 0.8, 0.8), 10)
    assert three.advice == "too early to tell" and "Too early to tell, from so few scores: apart" in three.text


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_an_even_rise_says_go_on_whatever_came_before(count: int) -> None:
    assert outlook(rounds(*(0.4 + 0.04 * np.arange(count))), 10).advice == "go on"
    assert outlook(rounds(*(0.4 + 0.04 * np.arange(count))), 10, threshold=0.08).advice != "go on"


def test_two_rounds_say_too_early_whatever_they_are() -> None:
    for scores in ((0.3, 0.6), (0.6, 0.6), (0.6, 0.5)):
        assert outlook(rounds(*scores), 10).advice == "too early to tell"


def test_the_advice_follows_the_odds() -> None:
    points = rounds(0.7, 0.72, 0.74, 0.755)
    found = {threshold: outlook(points, 10, threshold) for threshold in (0.001, 0.005, 0.01, 0.02, 0.05)}
    assert {one.advice for one in found.values()} == {"go on", "too early to tell", "stop"}
    for one in found.values():
        assert one.advice == ("go on" if one.chance >= 0.6 else "stop" if one.chance <= 0.4 else "too early to tell")


def _signed(value: float) -> str:
    return "0.00" if abs(value) < 0.005 else f"{value:+.2f}"


@pytest.mark.parametrize(
    "scores",
    [(0.7, 0.6, 0.5, 0.4), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0), (0.2, 0.9, 0.1, 0.8), (1, 0)],
)
def test_odd_curves_give_numbers_that_make_sense(scores: tuple[float, ...]) -> None:
    found = outlook(rounds(*scores), 10)
    sane(found)
    assert outlook(rounds(*scores), 10) == found


def test_a_score_off_the_curve_is_expected_to_return_to_it_which_is_no_gain() -> None:
    for last, sign in ((0.62, 1), (0.78, -1)):
        found = outlook(rounds(0.7, 0.68, 0.72, 0.69, 0.71, 0.7, last), 10)
        assert sign * (found.score - last) > 0.02
        assert found.gain < 0.02
        sane(found)


def test_the_point_that_is_told_lies_in_the_interval_that_is_told() -> None:
    """Of random scores, most of which lie off every curve."""
    rng = np.random.default_rng(9)
    lists = [list(rng.uniform(0.1, 1, count)) for count in rng.integers(2, 7, 60)]
    for scores in ([0.3, 0.6, 0.5], [0.5, 0.7, 0.6, 0.62], [0.314, 0.271], [0.9, 0.5, 0.3, 0.2], *lists):
        found = outlook(rounds(*scores), 20)
        sane(found)
        told = re.search(r"measured Dice by (\S+) \(80 % interval (\S+) to (\S+)\)", found.text)
        point, low, high = map(float, told.groups())
        assert low <= point <= high, found.text


def test_scores_of_about_zero_tell_of_a_fault_not_of_more_slices() -> None:
    for scores in ((0, 0), (0.0, 0.0, 0.0, 0.0), (0.8, 0.02), (0.05, 0.06, 0.09)):
        found = outlook(rounds(*scores), 10)
        assert found.advice == "find the fault"
        assert f"After {len(scores)} rounds, a score below 0.1 means that something is wrong" in found.text
        assert not re.search("[Ss]top|Go on|[Tt]oo early|expected", found.text)
    assert outlook(rounds(0.0), 10).advice == "too early to tell"
    assert outlook(rounds(0.0, 0.05, 0.12), 10).advice == "go on"


def test_one_round_or_none_says_nothing() -> None:
    for points, start in (([], "No round has a score yet."), (rounds(None, None), "No round has a score yet.")):
        found = outlook(points, 20)
        assert found.text == f"{start} Nothing can be said about 20 more before two rounds have a score."
        assert found.advice == "too early to tell"
    found = outlook([Point(60, 0.714, minutes=165)], 20)
    assert found.text == (
        "Dice 0.71 with 60 slices. Nothing can be said about 20 more before two rounds have a score. They are about "
        "55 minutes of work."
    )
    assert (found.score, found.interval, found.gain, found.gain_interval, found.chance) == (None,) * 5


def test_two_rounds_give_a_wide_interval_and_no_advice() -> None:
    two, many = outlook(rounds(0.5, 0.6), 10), outlook(rounds(0.5, 0.6, 0.65, 0.68, 0.7, 0.71), 10)
    assert two.advice == "too early to tell" and "Two scores tell little" in two.text
    assert two.interval[1] - two.interval[0] > many.interval[1] - many.interval[0] > 0.01


def test_rounds_without_a_score_count_as_labelled_slices_only() -> None:
    with_gap = outlook([Point(10, 0.5), Point(20, None), Point(30, 0.62), Point(40, 0.66)], 10)
    assert with_gap == outlook([Point(10, 0.5), Point(30, 0.62), Point(40, 0.66)], 10)
    late = outlook([Point(10, 0.5), Point(30, 0.62), Point(40, 0.66), Point(60, None)], 10)
    assert late.last == 0.66 and late.slices == 60
    assert late.score > with_gap.score  # at 70 slices rather than 50


def test_minutes_are_those_of_a_slice_so_far() -> None:
    points = [Point(10, 0.5, minutes=30), Point(20, 0.6), Point(40, 0.65, minutes=90)]  # 120 minutes for 30 slices
    found = outlook(points, 15)
    assert found.minutes == pytest.approx(60)
    assert "), about 60 minutes of work." in found.text
    assert outlook(points, 15, minutes=300).minutes == 300
    assert "about 5.0 hours of work." in outlook(points, 15, minutes=300).text
    assert outlook(rounds(0.5, 0.6), 15).minutes is None


def test_noise_is_that_of_the_patients_changes() -> None:
    first, second = {"a": 0.5, "b": 0.6, "c": 0.4}, {"a": 0.58, "b": 0.61, "c": 0.45}
    changes = np.array([0.08, 0.01, 0.05])
    expected = changes.std(ddof=1) / math.sqrt(3) / math.sqrt(2)
    assert noise_of([Point(1, 0.5, first), Point(2, 0.6, second)]) == pytest.approx(expected)
    assert noise_of([Point(1, 0.5, first), Point(2, 0.6)]) is None
    assert noise_of([Point(1, 0.5, first), Point(2, 0.6, {"a": 0.1, "b": 0.2})]) is None
    assert noise_of([Point(1, 0.5, first), Point(2, 0.6, first)]) is None  # equal scores tell nothing


def test_noise_of_other_patients_is_that_of_the_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    differences, told = [], []
    for _ in range(300):
        common = rng.normal(0.6, 0.1, 8)
        shared = {f"p{i}": value for i, value in enumerate(common + rng.normal(0, 0.02, 8))}
        again = {f"p{i}": value for i, value in enumerate(common + rng.normal(0, 0.02, 8))}
        new = {f"new{i}": value for i, value in enumerate(rng.normal(0.6, 0.1, 4))}
        after = again | new
        differences.append(np.mean(list(after.values())) - np.mean(list(shared.values())))
        told.append(noise_of([Point(1, 0.5, shared), Point(2, 0.5, after)]))
    assert math.sqrt(2) * np.sqrt(np.mean(np.square(told))) == pytest.approx(np.std(differences), rel=0.2)


def test_bad_input_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match="a batch of more than 0 slices was wanted, got 0"):
        outlook(rounds(0.5), 0)
    with pytest.raises(ConfigError, match="a threshold between 0 and 1 was wanted"):
        outlook(rounds(0.5), 10, threshold=1)
    with pytest.raises(DataError, match="round 2 has the score 71; a Dice from 0 to 1 was wanted"):
        outlook(rounds(0.7, 71), 10)
    with pytest.raises(DataError, match="round 1 has the score nan"):
        outlook(rounds(math.nan), 10)
    with pytest.raises(DataError, match="round 1 has 0 slices"):
        outlook([Point(0, 0.5)], 10)
    with pytest.raises(DataError, match="round 2 has 5 slices after 8; .* in their order?"):
        outlook([Point(8, 0.5), Point(5, 0.6)], 10)
