from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PlainValidator

from alseg_core.fields import FieldDoc, describe_type, docstrings, field_docs
from alseg_core.registry import Registry, component, nested


@component
class Inner:
    """An inner component."""

    low: float = 0.5
    """The lower end,
    over two lines."""
    high: float


@component
class Base:
    """What both have."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw."""
    kept: int = 1
    """Of the base."""


SHAPES: Registry[Inner] = Registry("shape", {"inner": Inner})


@component
class Outer(Base):
    """An outer component."""

    inner: Annotated[Inner, nested(Inner, "inner")] = Inner(low=0.25, high=1 / 3)
    """The part."""
    shape: Annotated[Inner, PlainValidator(SHAPES.build)] | None = None
    kept: int = 2
    paths: dict[str, Any] = Field(default_factory=dict)
    """Files."""


def test_fields_have_dotted_keys_defaults_and_the_docstring_below_them() -> None:
    fields = field_docs(Outer, "a.")
    assert fields == [
        FieldDoc("a.seed", "integer, 0 or more", "0", "Seed of the draw."),
        FieldDoc("a.kept", "integer", "2", "Of the base."),
        FieldDoc("a.inner", "mapping", "", "The part."),
        FieldDoc("a.inner.low", "number", "0.25", "The lower end, over two lines."),
        FieldDoc("a.inner.high", "number", "0.333333", ""),
        FieldDoc("a.shape", "name of a shape, or mapping with name, or null", "null", ""),
        FieldDoc("a.paths", "mapping", "{}", "Files."),
    ]
    assert [field.default for field in field_docs(Inner)] == ["0.5", None]


def test_a_class_without_source_has_no_docstrings() -> None:
    scope: dict[str, Any] = {"component": component, "__name__": __name__}
    exec('@component\nclass Typed:\n    x: int = 0\n    """Lost."""\n', scope)
    assert docstrings(scope["Typed"]) == {}
    assert field_docs(scope["Typed"]) == [FieldDoc("x", "integer", "0", "")]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (Annotated[float, Field(gt=0, le=1)], "number, above 0, at most 1"),
        (Annotated[float, Field(ge=0, lt=1)] | None, "number, 0 or more, below 1, or null"),
        (Annotated[int, Field(ge=2**24, le=2**25)], "integer, 16777216 to 33554432"),
        (Literal["sgd", "adam"], "sgd or adam"),
        (Literal["a", "b", "c"], "a, b or c"),
        (Literal["a", "b"] | Literal["c"] | int | None, "a, b or c, or integer, or null"),
        (tuple[Annotated[int, Field(ge=1)], ...], "list of integers, 1 or more"),
        (tuple[float, float], "list of 2 numbers"),
        (tuple[int | float, ...], "list of numbers"),
        (str | dict[str, int] | None, "string, or mapping, or null"),
        (Any, "any value"),
    ],
)
def test_types_in_plain_words(annotation: Any, words: str) -> None:
    assert describe_type(annotation) == words
