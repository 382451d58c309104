"""Components from outside the package, named ``module:Class``."""

from __future__ import annotations

import importlib
import os
import re
import sys
from contextlib import suppress
from typing import Any

from pydantic.dataclasses import is_pydantic_dataclass
from typing_extensions import get_protocol_members, is_protocol

from alseg_core.errors import ConfigError, unknown_name

PATTERN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_outside(name: str) -> bool:
    """Return whether ``name`` names an object of a module (``module:Class``) instead of a registered component."""
    return ":" in name


def load_object(name: str, kind: str) -> Any:
    """Import the object that ``module:Class`` names.

    The module may be anywhere on ``sys.path`` or in the current directory, which is searched last.
    kind: kind of component, for messages.

    Raises ConfigError when the name is malformed, the module cannot be imported or has no such attribute.
    """
    if not PATTERN.fullmatch(name):
        raise ConfigError(
            f"{kind} {name!r}: a {kind} from outside the package is named module:Class, for example my_parts:Mine; "
            "the module is named as in an import, without '.py' or slashes."
        )
    module_name, _, attribute = name.partition(":")
    module = _import(module_name, f"{kind} {name!r}")
    try:
        return getattr(module, attribute)
    except AttributeError:
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module_name]
        where = getattr(module, "__file__", None) or "a built-in module"
        raise ConfigError(
            f"{kind} {name!r}: {unknown_name('class', attribute, own)} Module {module_name} is {where}."
        ) from None


def load_component(name: str, kind: str, protocol: type = object) -> type:
    """Import the component class that ``module:Class`` names and set ``cls.name`` to that name.

    protocol: protocol that the component must satisfy, or base class that it must extend.

    Raises ConfigError as :func:`load_object` does, and when the object is no component, lacks a member of the protocol
    or goes by another name already.
    """
    cls = load_object(name, kind)
    what = f"{kind} {name!r}"
    if not isinstance(cls, type):
        raise ConfigError(f"{what}: a class was wanted, got {type(cls).__name__}.")
    if "__dataclass_fields__" not in vars(cls) or not is_pydantic_dataclass(cls):
        raise ConfigError(
            f"{what}: the class is not a component; put @component (from alseg_core.registry import component) above "
            f"class {cls.__name__}."
        )
    if "name" in cls.__dataclass_fields__:
        raise ConfigError(f"{what}: 'name' is the component's own name; give its field another.")
    check_protocol(cls, protocol, what)
    own = vars(cls).get("name", f"{cls.__module__}:{cls.__qualname__}")
    if own != name:  # two names would be two fingerprints of one experiment
        raise ConfigError(f"{what}: this class goes by the name {own!r}; use that name.")
    cls.name = name  # type: ignore[attr-defined]
    return cls


def check_protocol(cls: type, protocol: type, what: str) -> None:
    """Raise ConfigError when ``cls`` lacks members of a protocol, or does not extend a base class."""
    if not is_protocol(protocol):
        if not issubclass(cls, protocol):
            raise ConfigError(
                f"{what}: class {cls.__name__} must extend {protocol.__module__}.{protocol.__qualname__}: "
                f"class {cls.__name__}({protocol.__name__})."
            )
        return
    own = {member for base in cls.__mro__ for member in vars(base)} | {*getattr(cls, "__dataclass_fields__", ())}
    missing = sorted(get_protocol_members(protocol) - own)
    if missing:
        raise ConfigError(
            f"{what}: class {cls.__name__} lacks {', '.join(missing)} of {protocol.__module__}.{protocol.__qualname__}."
        )


def _import(module: str, what: str) -> Any:
    """Import a module with the current directory on the path."""
    with suppress(OSError):  # the current directory may have been deleted
        here = os.getcwd()
        if here not in sys.path and "" not in sys.path:
            sys.path.append(here)
    importlib.invalidate_caches()  # the file may be newer than the cached listing of its folder
    try:
        return importlib.import_module(module)
    except Exception as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent and f"{module}.".startswith(f"{absent}."):
            raise ConfigError(
                f"{what}: no module {absent!r} on the import path or in {os.getcwd()}. Run the command in the "
                "folder of the module, or add that folder to PYTHONPATH."
            ) from None
        raise ConfigError(f"{what}: importing {module} failed: {type(error).__name__}: {error}") from error
