"""Durations as text."""

from __future__ import annotations

from bench.study.durations import clock, duration


def test_durations() -> None:
    assert [duration(s) for s in (45, 720, 12240, 181440)] == ["45 s", "12 min", "3.4 h", "2.1 days"]


def test_times_that_have_passed() -> None:
    assert [clock(s) for s in (45.9, 455, 12240, 181440)] == ["45 s", "7 min 35 s", "3 h 24 min", "2 days 2 h"]
