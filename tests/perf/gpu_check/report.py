"""The table of all answers, and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gpu_check.answer import Answer
from gpu_check.runner import Outcome
from table import duration, plain

HEAD = ("part", "what", "size", "measured", "share", "peak", "target", "verdict")
LEFT = ("part", "what", "size", "measured", "verdict")


def wrong(outcomes: Sequence[Outcome], gpu: bool) -> list[str]:
    """Return the parts that failed, and those whose numbers are not right: not those that are only too slow."""
    bad = [o.part for o in outcomes if o.end == "failed"]
    for outcome in outcomes:
        misses = [a for a in outcome.answers if a.met(gpu) is False and a.target and not a.target.speed]
        bad += [f"{outcome.part} ({answer.what})" for answer in misses]
    return bad


def text(outcomes: Sequence[Outcome], gpu: bool) -> str:
    """Return the table, then notes and why parts ended early."""
    rows = [_cells(outcome.part, answer, gpu) for outcome in outcomes for answer in outcome.answers]
    lines = plain(rows, HEAD, LEFT)
    for outcome in outcomes:
        lines += [f"  {outcome.part}, {a.what}: {a.note}" for a in outcome.answers if a.note and a.unit != "text"]
    lines += [f"  {o.part}: {o.end}, {o.reason}" for o in outcomes if o.reason]
    lines.append(
        "share: seconds of the least bytes and operations at the measured ceilings / seconds taken. peak: memory that "
        "torch reserved on the GPU, beside about 0.5 GB for the context of each process; on a CPU memory added."
    )
    lines.append(
        "targets of speed are those for an H100."
        if gpu
        else "targets of speed are for an H100 and not judged on a CPU."
    )
    return "\n".join(lines)


def record(outcomes: Sequence[Outcome], gpu: bool) -> list[dict[str, Any]]:
    """Return the outcomes as plain data of JSON."""
    return [
        {
            **asdict(outcome),
            "answers": [
                {
                    **asdict(answer),
                    "value": _finite(answer.value),
                    "floor": _finite(answer.floor),
                    "share": answer.share,
                    "met": answer.met(gpu),
                    "verdict": answer.verdict(gpu),
                }
                for answer in outcome.answers
            ],
        }
        for outcome in outcomes
    ]


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has, None for others: the table shows them."""
    return value if value is not None and math.isfinite(value) else None


def _cells(part: str, answer: Answer, gpu: bool) -> tuple[str, ...]:
    return (
        part,
        answer.what,
        answer.size,
        _value(answer),
        "" if answer.share is None else f"{answer.share:.0%}",
        "" if answer.memory is None else f"{answer.memory / 1e6:,.0f} MB",
        "" if answer.target is None else f"<= {_number(answer.target.most, answer)}",
        answer.verdict(gpu),
    )


def _value(answer: Answer) -> str:
    if answer.unit == "text":
        return answer.note
    return "-" if answer.value is None else _number(answer.value, answer)


def _number(value: float, answer: Answer) -> str:
    if answer.unit == "s":
        return f"{value / 60:.3g} min" if value >= 120 else duration(value)
    return f"{value:.4f}" if answer.unit == "dice" else f"{value:.2g}"
