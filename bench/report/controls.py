"""Whether a study has found what is known of its control recipes."""

from __future__ import annotations

import math

from alseg_core.metrics.curve import AUBC
from alseg_core.vocabulary import BASELINE
from bench.report.analysis import Analysis
from bench.report.compared import differences
from bench.report.numbers import chance, signed
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.statistics.budget_summary import AREA_ROUND
from bench.report.statistics.paired import ALPHA, FEW_SEEDS

UNTESTED = (math.nan, math.nan)


def controls_verdict(results: Results, analysis: Analysis, setting: Setting) -> str:
    """Return PASS or FAIL with the test of each control of a setting, "" if its study declares none.

    A control is found if the two-sided t-test on AUBC, paired by seed, has p < .05 and the difference from random has
    the known sign; a study of one budget has no AUBC, there Dice is tested. Each control is one planned test, not
    corrected. PASS: all are found. While runs of random or of a control are missing, or with fewer than
    :data:`FEW_SEEDS` seeds, nothing is decided.
    """
    controls = results.controls.get(setting)
    if controls is None:
        return ""
    runs = rows_of(results.runs, setting)
    needed = runs[runs["recipe"].isin([BASELINE, *controls.wanted])]
    if missing := int((needed["state"] != "finished").sum()):
        return f"Controls: not decided yet, {missing} of {len(needed)} runs are missing."
    if needed["seed"].nunique() < FEW_SEEDS:
        return f"Controls: not decided, {FEW_SEEDS} seeds or more are needed."
    tested = _tests(analysis, setting)
    found = {name: _found(side, *tested.get(name, UNTESTED)) for name, side in controls.wanted.items()}
    parts = [
        f"{name} is {'' if found[name] else 'not '}found {side} {BASELINE} ({_measured(*tested.get(name, UNTESTED))})"
        for name, side in controls.wanted.items()
    ]
    score = "Dice" if _one_budget(analysis, setting) else AUBC
    return f"Controls: {'PASS' if all(found.values()) else 'FAIL'}. In {score}, {'; '.join(parts)}."


def _tests(analysis: Analysis, setting: Setting) -> dict[str, tuple[float, float]]:
    """Return recipe -> its difference from random in AUBC, or in Dice at a single budget, and the uncorrected p."""
    rows = differences(analysis, setting, BASELINE)
    rows = rows[(rows["round"] == AREA_ROUND) != _one_budget(analysis, setting)]
    return dict(zip(rows["recipe"], zip(rows["difference"], rows["p"], strict=True), strict=True))


def _one_budget(analysis: Analysis, setting: Setting) -> bool:
    return bool(rows_of(analysis.cells, setting)["round"].nunique() == 1)


def _found(side: str, difference: float, p: float) -> bool:
    return p < ALPHA and (difference > 0 if side == "above" else difference < 0)


def _measured(difference: float, p: float) -> str:
    return f"difference {signed(difference)}, {chance(p)}" if math.isfinite(p) else "no test is possible"
