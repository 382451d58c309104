"""What a field of a component takes: a value of its own type, and nothing that merely could be turned into one.

A boolean is no number, text is no number, a number with a point is not whole, and infinity is no setting. Two
conversions are left: a list makes a tuple, and a whole number a real one. yes, no, on and off, which YAML 1.2 reads as
text, are true and false where a field is a boolean.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

PLAIN = ("int", "float", "str", "bool")
"""Types of schemas whose values are taken as they are."""
DATA = ("default", "expected", "metadata")
"""Keys of a schema that hold no schemas."""
SWITCHES = {"yes": True, "on": True, "no": False, "off": False}


def strict(schema: CoreSchema, cls: Any) -> CoreSchema:
    """Return the schema of component ``cls`` with every field strict, save those that say ``Field(strict=False)``."""
    made: CoreSchema = _strict(schema, cls, False)
    return made


def _strict(part: Any, cls: Any, in_union: bool) -> Any:
    if isinstance(part, (list, tuple)):
        return type(part)(_strict(item, cls, in_union) for item in part)
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind == "dataclass" and part["cls"] is not cls:  # a component within this one is strict already
        return part
    inside = kind == "union" or (in_union and kind not in ("tuple", "list", "dict"))
    made = {key: value if key in DATA else _strict(value, cls, inside) for key, value in part.items()}
    if kind in PLAIN:
        made.setdefault("strict", True)
    if kind == "float":
        made.setdefault("allow_inf_nan", False)
    if kind == "bool" and not in_union:
        return core_schema.no_info_before_validator_function(_switch, made)
    if kind == "literal" and any(isinstance(value, int) for value in part["expected"]):
        return core_schema.no_info_before_validator_function(_exactly(part["expected"]), made)
    return made


def _switch(value: Any) -> Any:
    return SWITCHES.get(value.lower(), value) if isinstance(value, str) else value


def _exactly(expected: list[Any]) -> Any:
    """Return a validator that keeps True and 1.0 from passing as 1."""
    types = {type(value) for value in expected}

    def check(value: Any) -> Any:
        if isinstance(value, (bool, float)) and type(value) not in types:
            raise PydanticCustomError("literal_error", "literal", {"expected": " or ".join(map(repr, expected))})
        return value

    return check
