"""What following an advice costs: known answers, and the advice beside simple rules on curves whose course is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.project.outlook import Point
from tests.bench.project.outlook.decisions import RULES, Course, calls, concave, courses, end, last_gain, last_two_gains
from tests.bench.project.outlook.simulated import simulated

EXPECTED = np.array([0.5, 0.6, 0.65, 0.67, 0.675, 0.676])  # with 0.01 a round, the fourth is the best end


def points(*scores: float) -> list[Point]:
    return [Point(10 * number, score) for number, score in enumerate(scores, start=1)]


def test_what_stopping_early_and_late_costs() -> None:
    early = Course(points(0.5, 0.6, 0.605, 0.67, 0.6, 0.6), EXPECTED)
    found = calls(early, last_gain, 0.01)
    assert [call.advice for call in found] == ["go on", "stop", "go on", "stop"]
    assert [call.measured for call in found] == [False, True, False, False]
    assert [call.expected for call in found] == [True, True, False, False]
    stopped = end(early, found, 0.01)  # after the third round
    assert stopped.lost == pytest.approx(0.02) and stopped.needless == 0
    assert stopped.regret == pytest.approx(0.02 - 0.01)
    late = Course(points(0.5, 0.6, 0.66, 0.7, 0.75, 0.8), EXPECTED)
    bought = end(late, calls(late, last_gain, 0.01), 0.01)  # never stopped
    assert (bought.lost, bought.needless) == (0, 20)
    assert bought.regret == pytest.approx(2 * 0.01 - 0.006)
    assert last_two_gains(points(0.5, 0.6, 0.595), 10, 0.01) == "go on"
    assert last_two_gains(points(0.5, 0.6, 0.61, 0.615), 10, 0.01) == "stop"


def test_a_concave_curve_is_kept_and_dents_are_smoothed() -> None:
    amounts = np.array([10.0, 20, 40, 50, 80, 90])
    bent = 0.8 - 0.4 * (amounts / 10) ** -0.7
    assert concave(amounts, bent) == pytest.approx(bent, abs=1e-9)
    assert concave(amounts[:3], np.array([0.7, 0.6, 0.5])) == pytest.approx([0.6] * 3)  # never falls
    assert concave(amounts[:2], np.array([0.5, 0.6])) == pytest.approx([0.5, 0.6])
    # (0.5, 0.5, 0.8) at 0, 1, 2: the nearest curve that rises ever less is the least-squares line, of slope 0.15
    line = concave(np.array([1.0, 2, 3]), np.array([0.5, 0.5, 0.8]))
    assert line == pytest.approx([0.45, 0.6, 0.75])


def test_what_is_expected_of_a_run_is_told_by_the_others() -> None:
    runs = [points(0.5, 0.6, 0.65), points(0.4, 0.6, 0.7), points(0.6, 0.7, 0.75)]
    first, *rest = courses([runs, [points(0.1, 0.2)]])  # the last one has no others
    assert len(rest) == 2 and first.points == runs[0]
    assert first.expected == pytest.approx([0.5, 0.65, 0.725])


def test_the_advice_costs_less_than_simple_rules() -> None:
    found = simulated(24, np.random.default_rng(2))  # neither the curves it was chosen on nor those of the README
    for threshold in (0.01, 0.02):
        regret = {
            name: np.mean([end(course, calls(course, rule, threshold), threshold).regret for course in found])
            for name, rule in RULES.items()
        }
        assert regret["advice"] == min(regret.values())
        assert regret["advice"] < regret["never stop"] / 4
    stops = [call for course in found for call in calls(course, RULES["advice"], 0.01) if call.advice == "stop"]
    assert len(stops) > 50 and np.mean([call.expected for call in stops]) < 0.1
