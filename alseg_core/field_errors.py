"""Sentences about fields that have a wrong value."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from alseg_core.errors import SHOWN, shown

WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}
"""Kind of problem -> what was wanted."""
MOST = 10
"""Most wrong fields that a message names; it counts the rest."""


TAG = re.compile(r"(int|float|str|bool|none|constrained-\w+|(dict|tuple|list|literal|function|nullable|is-).*[\])])")
"""How pydantic names an alternative of a union, as the last part of a place."""


def sentences(error: ValidationError) -> list[str]:
    """Return a sentence for each wrong field: what was wanted and what came."""
    problems: list[Any] = error.errors(include_url=False)
    groups = [list(group) for _, group in itertools.groupby(problems, key=_place)]
    found = [_sentence(group) for group in groups]
    return found if len(found) <= MOST else [*found[:MOST], f"And {len(found) - MOST} more."]


def _place(problem: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the place of a value, which the alternatives of a union share."""
    place = problem["loc"]
    return tuple(part for i, part in enumerate(place) if not (i and isinstance(part, str) and TAG.fullmatch(part)))


def _sentence(problems: Sequence[Mapping[str, Any]]) -> str:
    first = problems[0]
    path = ".".join(str(part)[:SHOWN] for part in _place(first) if part != "[key]")
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"field {path!r} is missing."
    if first["type"] == "unexpected_keyword_argument":
        return f"unknown field {path!r}."
    start = f"{path}: " if path else ""
    if len(problems) == 1 and first["type"] == "value_error":  # raised by a component, complete
        return f"{start}{first['msg'].removeprefix('Value error, ')}."
    wanted = list(dict.fromkeys(_wanted(problem) for problem in problems))
    kinds = [text for text in wanted if text]
    if not kinds:
        return f"{start}{first['msg']} (got {shown(first['input'])})."
    others = [f"; {problem['msg']}" for problem in problems if not _wanted(problem)]
    text = f"{start}{' or '.join(kinds)} was wanted{''.join(others)}, got {shown(first['input'])}"
    plain = first["input"] is None or isinstance(first["input"], (bool, int, float))
    return f"{text}{'; in quotes it is text' if kinds == ['text'] and plain else ''}."


def _wanted(problem: Mapping[str, Any]) -> str | None:
    if problem["type"] == "literal_error":
        return str(problem["ctx"]["expected"])
    return WANTED.get(problem["type"])
