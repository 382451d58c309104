"""The name of a kind of annotation in tables: what it is called, and how its annotator errs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def annotation_title(plain: Mapping[str, Any]) -> str:
    """Return the name of a kind of annotation, given as plain data, with its annotator's errors in parentheses.

    "mask (noise 2 mm, bias -1 mm, parts <30 mm2, 10 % of classes)" is one whose annotator displaces contours so far,
    and misses such parts and this share of the classes. Annotators that differ have different titles, so that their
    runs stand in different tables.
    """
    errors = plain.get("annotator")
    name = str(plain["name"])
    return f"{name} ({', '.join(_errors(errors))})" if isinstance(errors, Mapping) and errors else name


def _errors(fields: Mapping[str, Any]) -> Iterator[str]:
    left = {field: value for field, value in fields.items() if value is not None}
    if "boundary_mm" in left:
        smooth = f" over {left.pop('smooth_mm'):g} mm" if "smooth_mm" in left else ""
        yield f"noise {left.pop('boundary_mm'):g} mm{smooth}"
    if "bias_mm" in left:
        yield f"bias {left.pop('bias_mm'):+g} mm"
    if "miss_below_mm2" in left:
        share = f"{100 * left.pop('miss'):g} % of " if "miss" in left else ""
        yield f"{share}parts <{left.pop('miss_below_mm2'):g} mm2"
    if "drop_class" in left:
        yield f"{100 * left.pop('drop_class'):g} % of classes"
    yield from (f"{field} {value}" for field, value in left.items())  # of another version
