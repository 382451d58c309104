from __future__ import annotations

import math

import pytest

from alseg_core.evaluate import summarise


def row(case: str, name: str, dice: float | None, hd: float | None, empty: str = "") -> dict[str, object]:
    return {"case": case, "class": name, "dice": dice, "hd95_mm": hd, "assd_mm": None, "nsd": None, "empty": empty}


def test_mean_over_classes_then_volumes_without_undefined_scores() -> None:
    rows = [
        row("a", "x", 0.5, 4.0),
        row("a", "y", 0.7, 6.0),
        row("b", "x", 0.0, 90.0, "prediction"),
        row("b", "y", None, None, "both"),
    ]
    summary = summarise(rows, ["background", "x", "y"])
    assert summary["dice"] == pytest.approx((0.6 + 0.0) / 2)
    assert summary["hd95_mm"] == pytest.approx((5 + 90) / 2)
    assert summary["assd_mm"] is None
    assert summary["dice_x"] == pytest.approx(0.25)
    assert summary["dice_y"] == pytest.approx(0.7)
    assert (summary["empty_predictions"], summary["empty_truths"], summary["empty_both"]) == (1, 0, 1)
    assert not any(isinstance(v, float) and math.isnan(v) for v in summary.values())
