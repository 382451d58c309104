"""Whether a study has found what is known of its control recipes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from alseg_core.vocabulary import BASELINE
from bench.report.analysis import Analysis
from bench.report.numbers import signed
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.statistics.paired import ALPHA

UNTESTED = (math.nan, math.nan)


def controls_verdict(results: Results, analysis: Analysis, setting: Setting) -> str:
    """Return PASS or FAIL with the test of each control of a setting, "" if its study declares none.

    A control is found if the two-sided t-test on AUBC, paired by seed, has p < .05 and the difference from random has
    the known sign. Each control is one planned test, not corrected. PASS: all are found. While runs of random or of a
    control are missing, nothing is decided.
    """
    controls = results.controls.get(setting)
    if controls is None:
        return ""
    runs = rows_of(results.runs, setting)
    needed = runs[runs["recipe"].isin([BASELINE, *controls.wanted])]
    if missing := int((needed["state"] != "finished").sum()):
        return f"Controls: not decided yet, {missing} of {len(needed)} runs are missing."
    tested = dict(_tests(analysis, setting))
    found = {name: _found(side, *tested.get(name, UNTESTED)) for name, side in controls.wanted.items()}
    parts = [
        f"{name} is {'' if found[name] else 'not '}found {side} {BASELINE} ({_measured(*tested.get(name, UNTESTED))})"
        for name, side in controls.wanted.items()
    ]
    return f"Controls: {'PASS' if all(found.values()) else 'FAIL'}. In AUBC, {'; '.join(parts)}."


def _tests(analysis: Analysis, setting: Setting) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield recipe, and its difference from random in AUBC with the uncorrected p."""
    for row in rows_of(analysis.tests, setting).to_dict("records"):
        if row["round"] == -1 and BASELINE in (row["a"], row["b"]):
            first = row["b"] == BASELINE
            yield row["a" if first else "b"], (row["difference"] * (1 if first else -1), row["p"])


def _found(side: str, difference: float, p: float) -> bool:
    return p < ALPHA and (difference > 0 if side == "above" else difference < 0)


def _measured(difference: float, p: float) -> str:
    return f"difference {signed(difference)}, p = {p:.2g}" if math.isfinite(p) else "no test is possible"
