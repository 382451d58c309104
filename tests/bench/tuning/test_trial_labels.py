"""What names a trial: the settings that differ from the recipe's own."""

from __future__ import annotations

from typing import Any

import pytest

from bench.tuning.labels import OWN_SETTINGS, label

OWN: dict[str, Any] = {"embed.w_ntxent used": True, "embed.w_ntxent": 1.0, "embed.lr": 1e-4, "embed.views": "published"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, OWN_SETTINGS),
        ({"embed.lr": 0.00123456}, "lr=0.00123"),
        ({"embed.views": "weak", "embed.lr": 0.01}, "lr=0.01 views=weak"),
        ({"embed.w_ntxent": 0.5, "train.mask.lr": 0.1, "embed.lr": 0.2}, "w_ntxent=0.5 embed.lr=0.2 train.mask.lr=0.1"),
    ],
)
def test_a_trial_is_named_by_the_settings_that_differ(changes: dict[str, Any], named: str) -> None:
    assert label(OWN | changes, OWN) == named


def test_a_setting_that_is_turned_off_is_named_by_that() -> None:
    off = {name: value for name, value in OWN.items() if name != "embed.w_ntxent"} | {"embed.w_ntxent used": False}
    assert label(off, OWN) == "no w_ntxent"
    assert label(OWN, off) == "w_ntxent=1"


def test_settings_above_the_limit_are_counted() -> None:
    changed = OWN | {"embed.w_ntxent": 0.5, "embed.lr": 0.2, "embed.views": "weak"}
    assert label(changed, OWN, most=1) == "w_ntxent=0.5 and 2 more"
    assert label(changed, OWN, most=3) == label(changed, OWN) == "w_ntxent=0.5 lr=0.2 views=weak"
