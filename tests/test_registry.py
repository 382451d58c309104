from __future__ import annotations

import pickle
from typing import Annotated

import pytest
from pydantic import Field

from alseg_core.errors import ConfigError
from alseg_core.registry import Registry, component, describe
from alseg_core.strategies import STRATEGIES


@component
class Ruler:
    """Measures."""

    length: Annotated[int, Field(gt=0)] = 3


@component
class Tape:
    """Measures longer."""

    length: int = 30


THINGS: Registry[object] = Registry("thing", {"ruler": Ruler, "tape": Tape})


def test_builds_from_name_mapping_and_component() -> None:
    ruler = THINGS.build({"name": "ruler", "length": 4})
    assert ruler == Ruler(length=4)
    assert THINGS.build("ruler") == Ruler()
    assert THINGS.build(ruler) is ruler


def test_describe_is_the_inverse_of_build() -> None:
    for name in STRATEGIES:
        strategy = STRATEGIES.build(name)
        assert STRATEGIES.build(describe(strategy)) == strategy
        assert pickle.loads(pickle.dumps(strategy)) == strategy


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rulr", "Did you mean 'ruler'"),
        ({"name": "ruler", "lenght": 4}, "Did you mean 'length'"),
        ({"name": "ruler", "length": 0}, "greater than 0.*got 0"),
        ({"length": 1}, "Known: ruler, tape"),
        (7, "Known: ruler, tape"),
    ],
)
def test_errors_say_what_came_and_what_exists(spec: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        THINGS.build(spec)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ConfigError, match="already registered"):
        THINGS.add("ruler", Tape)
