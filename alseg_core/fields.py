"""The fields of a component as a user sets them: key, type in plain words, default and docstring."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import yaml

from alseg_core.registry import Registry, describe

NOUNS = {
    bool: ("true or false", "booleans"),
    int: ("integer", "integers"),
    float: ("number", "numbers"),
    str: ("string", "strings"),
}
"""Plain type -> its name alone and in a list."""


@dataclass(frozen=True)
class FieldDoc:
    """One field of a component."""

    key: str
    """Name of the field, with dots where it belongs to a nested component."""
    type: str
    """Type and range in plain words."""
    default: str | None
    """Default value as YAML; None for a field that must be given."""
    text: str
    """Docstring of the field on one line; empty for a field without one."""


def field_docs(cls: type, prefix: str = "", instance: Any = None) -> list[FieldDoc]:
    """Describe the fields of a component class, those of nested components under dotted keys.

    prefix: put before every key. instance: component whose values are shown as defaults, in place of those of ``cls``.
    """
    texts = docstrings(cls)
    found = []
    for name, info in typing.cast("dict[str, Any]", cls.__pydantic_fields__).items():  # type: ignore[attr-defined]
        if info.init is False:
            continue
        required = instance is None and info.is_required()
        value = None if required else getattr(instance, name) if instance is not None else _default(info)
        kind = nested_component(info.annotation, info.metadata)
        words = "mapping" if kind else describe_type(info.annotation, info.metadata)
        default = None if required else "" if kind else _yaml(value)
        found.append(FieldDoc(f"{prefix}{name}", words, default, texts.get(name, "")))
        if kind:
            found += field_docs(kind, f"{prefix}{name}.", value)
    return found


def docstrings(cls: type) -> dict[str, str]:
    """Read the docstring below each field of a class and its bases, each on one line; {} for a class without any."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _own_docstrings(base)
    return found


@cache
def _own_docstrings(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # a class typed into a prompt has no source
        return {}
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for statement, below in pairwise(definition.body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def nested_component(annotation: Any, metadata: Iterable[Any] = ()) -> type | None:
    """Return the class of a field that holds one fixed component; None for a registered one and any other value."""
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_fields__") and _registry(metadata) is None:
        return annotation
    return None


def describe_type(annotation: Any, metadata: Iterable[Any] = (), plural: bool = False) -> str:
    """Describe a type with its range in plain words, such as "integer, 1 or more, or null"."""
    metadata = tuple(metadata)
    registry = _registry(metadata)
    if registry is not None:
        return f"name of {_article(registry.kind)}, or mapping with name"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return describe_type(arguments[0], (*_flat(arguments[1:]), *metadata), plural)
    if {*arguments} == {int, float} and origin is types.UnionType:
        return describe_type(float, metadata, plural)
    if origin in (typing.Union, types.UnionType):
        choices = [part for part in arguments if typing.get_origin(part) is typing.Literal]
        rest = [part for part in arguments if part not in choices and part is not type(None)]
        parts = [_either([_yaml(value) for part in choices for value in typing.get_args(part)])] if choices else []
        parts += [describe_type(part, metadata, plural) for part in rest]
        return ", or ".join([*parts, "null"] if type(None) in arguments else parts)
    if origin is typing.Literal:
        return _either([_yaml(value) for value in arguments])
    if origin is tuple:
        return _describe_tuple(arguments)
    if annotation in NOUNS:
        bounds = _bounds(metadata)
        return NOUNS[annotation][plural] + (f", {bounds}" if bounds else "")
    if annotation is type(None):
        return "null"
    if (origin or annotation) in (dict, Mapping) or nested_component(annotation, metadata):
        return "mappings" if plural else "mapping"
    return "any value"


def _describe_tuple(arguments: Sequence[Any]) -> str:
    if len(arguments) == 2 and arguments[1] is ...:
        return f"list of {describe_type(arguments[0], plural=True)}"
    kinds = {describe_type(argument, plural=True) for argument in arguments}
    return f"list of {len(arguments)} {kinds.pop()}" if len(kinds) == 1 else f"list of {len(arguments)} values"


def _flat(metadata: Iterable[Any]) -> Iterable[Any]:
    """Constraints and validators, those inside ``Field(...)`` among them."""
    for item in metadata:
        yield item
        yield from getattr(item, "metadata", ())


def _registry(metadata: Iterable[Any]) -> Registry[Any] | None:
    """The registry whose ``build`` validates the field."""
    owners = (getattr(getattr(item, "func", None), "__self__", None) for item in metadata)
    return next((owner for owner in owners if isinstance(owner, Registry)), None)


def _bounds(metadata: Iterable[Any]) -> str:
    limits = {name: value for item in metadata for name in ("gt", "ge", "lt", "le") if (value := _limit(item, name))}
    low, high = limits.get("ge"), limits.get("le")
    if low is not None and high is not None:
        return f"{low} to {high}"
    words = {"gt": "above {}", "ge": "{} or more", "lt": "below {}", "le": "at most {}"}
    return ", ".join(text.format(limits[name]) for name, text in words.items() if name in limits)


def _limit(item: Any, name: str) -> str | None:
    value = getattr(item, name, None)
    return str(value) if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else None


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _default(info: Any) -> Any:
    return info.get_default(call_default_factory=True)


def _yaml(value: Any) -> str:
    """Write a value as YAML on one line, a component without fields by its name alone."""
    plain = describe(value)
    if isinstance(plain, dict) and list(plain) == ["name"]:
        plain = plain["name"]
    if isinstance(plain, float):
        return f"{plain:g}"
    text = yaml.safe_dump(_rounded(plain), default_flow_style=True, sort_keys=False, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:g}") if isinstance(value, float) else value
