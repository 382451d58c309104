"""Components by name.

A component is a frozen dataclass whose fields are its hyper-parameters; :func:`component` makes one. Each kind of
component has a :class:`Registry`, a plain dict from name to class, that builds them from ``{"name": ..., <field>:
<value>}``.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import pydantic
import pydantic.dataclasses
from pydantic import AfterValidator, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import dataclass_transform

from alseg_core.errors import ConfigError, FieldError, shown, unknown_name
from alseg_core.field_errors import sentences
from alseg_core.outside import is_outside, load_component
from alseg_core.strict import strict

T = TypeVar("T")
C = TypeVar("C", bound=type)

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
LONGEST_NAME = 100
"""Most characters of a name; file systems take 255 for a folder, whose name may hold several of ours."""


def _folder_part(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a name has at most {LONGEST_NAME} characters, got {len(name)}")
    if not NAME.fullmatch(name):
        raise ValueError(
            "a name has letters without accents, digits, and '_', '.', '+' or '-' after the first character, got "
            f"{shown(name)}"
        )
    if name.endswith("."):
        raise ValueError(f"a name must not end in a dot, got {shown(name)}")
    return name


Name = Annotated[str, AfterValidator(_folder_part)]
"""Name that may be part of a folder name."""


OMIT_DEFAULT = {"omit_default": True}
"""Metadata of a field that :func:`describe` leaves out while it has its default, so that older fingerprints hold."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(pydantic.Field, dataclasses.field))
def component(cls: C) -> C:
    """Make ``cls`` a validated, frozen, keyword-only dataclass; unknown fields and values of another type are errors.

    See :mod:`alseg_core.strict` for what a field takes.
    """
    cls.__get_pydantic_core_schema__ = classmethod(_schema)  # type: ignore[attr-defined]
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return typing.cast(C, pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=config)(cls))


def _schema(_cls: type, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    return strict(handler(source), source)


class Registry(dict[str, type], Generic[T]):
    """Name -> component class of one kind. Registering a class sets ``cls.name``.

    Every method that takes a name also takes ``module:Class``, which stands for a class outside the package; see
    :mod:`alseg_core.outside`.

    protocol: the protocol, or base class, that a class from outside must satisfy. default: name that a mapping without
    one stands for; its components describe themselves without a name, and their ``cls.name`` is None.
    """

    def __init__(
        self, kind: str, classes: Mapping[str, type], protocol: type = object, default: str | None = None
    ) -> None:
        super().__init__()
        self.kind, self.protocol, self.default = kind, protocol, default
        for name, cls in classes.items():
            self.add(name, cls)

    def add(self, name: str, cls: type) -> None:
        """Register ``cls`` under ``name``. Raises ConfigError when the name is taken."""
        if name in self:
            raise ConfigError(f"{self.kind} {name!r} is already registered as {self[name].__qualname__}.")
        cls.name = None if name == self.default else name  # type: ignore[attr-defined]
        self[name] = cls

    def resolve(self, name: str) -> type[T]:
        """Return the class registered under ``name``, or the class that ``module:Class`` names.

        Raises ConfigError: unknown name (with the nearest), or no such component outside.
        """
        if is_outside(name):
            return typing.cast(type[T], load_component(name, self.kind, self.protocol))
        if name not in self:
            raise ConfigError(unknown_name(self.kind, name, self) + " One of your own is named module:Class.")
        return self[name]

    def build(self, spec: Any) -> T:
        """Return the component that a name or ``{"name": ..., **fields}`` describes; a component is returned as it is.

        Raises ConfigError: unknown name (with the nearest), unknown field, value out of range.
        """
        if dataclasses.is_dataclass(spec) and not isinstance(spec, type):
            _name(type(spec))
            return typing.cast(T, spec)
        if isinstance(spec, str):
            spec = {"name": spec}
        if self.default is not None and isinstance(spec, Mapping):
            spec = {"name": self.default, **spec}
        if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
            raise ConfigError(
                f"a {self.kind} is a name or a mapping with 'name', got {shown(spec)}. Known: {', '.join(self)}."
            )
        name, fields = spec["name"], {k: v for k, v in spec.items() if k != "name"}
        return typing.cast(T, construct(self.resolve(name), fields, f"{self.kind} {name!r}"))


def _name(cls: type) -> None:
    """Set ``cls.name`` of an unregistered class to ``module:Class``, so that it can be described."""
    if "name" not in vars(cls):
        cls.name = f"{cls.__module__}:{cls.__qualname__}"  # type: ignore[attr-defined]


def path_part(name: str) -> str:
    """Return the name of a component as part of a file or folder name."""
    return name.replace(":", ".")


def construct(cls: type, fields: Mapping[str, Any], what: str) -> Any:
    """Build ``cls`` from ``fields``. Raises one FieldError for all wrong fields, with values and known fields."""
    known = [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []
    lines = [unknown_name("field", key, known) for key in fields if key not in known]
    try:
        made = cls(**{key: value for key, value in fields.items() if key in known})
    except ValidationError as error:
        lines += sentences(error)
    except ConfigError as error:  # raised by the component itself
        if not lines:
            raise
        lines.append(str(error))
    if lines:
        raise FieldError(f"{what}: {' '.join(lines)}") from None
    return made


def nested(cls: type, what: str) -> pydantic.BeforeValidator:
    """Return the validator of a field of component ``cls``: a mapping is built, a component is kept."""

    def build(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("dataclass_type", "a mapping was wanted")
        return construct(cls, value, what)

    return pydantic.BeforeValidator(build)


def describe(value: Any) -> Any:
    """Plain data (dicts, lists, numbers, strings) that :meth:`Registry.build` turns back into an equal component."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value) if not _omitted(value, f)}
        name = getattr(type(value), "name", None)
        return {"name": name, **fields} if isinstance(name, str) and "name" not in fields else fields
    if isinstance(value, Mapping):
        return {str(k): describe(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    return value


def _omitted(value: Any, field: dataclasses.Field[Any]) -> bool:
    return "omit_default" in field.metadata and getattr(value, field.name) == field.default


def summary(cls: type) -> str:
    """Return the first line of a component's docstring."""
    return cls.__doc__.strip().splitlines()[0].replace("``", "") if cls.__doc__ else ""
