"""Settings laid over one another, and ``key=value`` settings of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from alseg_core.errors import ConfigError


def overlay(base: Any, top: Any) -> Any:
    """Lay ``top`` over ``base``: mappings are merged field by field, anything else is replaced.

    A component's bare name counts as ``{"name": ...}``; another name replaces the component with all its fields.
    """
    if isinstance(base, str) and isinstance(top, Mapping):
        base = {"name": base}
    if not isinstance(base, Mapping) or not isinstance(top, Mapping):
        return top
    if "name" in base and "name" in top and base["name"] != top["name"]:
        return dict(top)
    return {**base, **{key: overlay(base.get(key), value) for key, value in top.items()}}


def parse_setting(setting: str) -> dict[str, Any]:
    """Parse ``"a.b=value"`` to ``{"a": {"b": value}}``, the value as YAML. Raises ConfigError for anything else."""
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set takes key=value with dots between keys, for example seeds=3, got {setting!r}.")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {setting}: the value is no valid YAML: {error}") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value
