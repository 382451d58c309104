"""Settings laid over one another, and ``key=value`` settings of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from alseg_core.errors import ConfigError, shown
from alseg_core.yaml_reader import MOST_LEVELS, parse_yaml

KEY = re.compile(r"[^\s.\[\]'\"\x00-\x1f\x7f]+(\.[^\s.\[\]'\"\x00-\x1f\x7f]+)*")
"""Words with dots between them; a component from outside (module:Class) is one word."""
BRACKETS = re.compile(r"\[['\"]?([^\[\]'\"]*)['\"]?\]")


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
    if not equals or not KEY.fullmatch(key):
        dotted = BRACKETS.sub(r".\1", key)
        meant = f" Did you mean {shown(dotted)}?" if dotted != key and KEY.fullmatch(dotted) else ""
        raise ConfigError(
            f"--set takes key=value with dots between keys, for example seeds=3, got {shown(setting)}.{meant}"
        )
    parts = key.split(".")
    if len(parts) > MOST_LEVELS:
        raise ConfigError(f"--set {shown(setting)}: the key is nested deeper than {MOST_LEVELS} levels.")
    value = parse_yaml(text, f"--set {shown(setting)}: the value")
    for part in reversed(parts):
        value = {part: value}
    assert isinstance(value, dict)
    return value
