"""The YAML files that come with the program: datasets, recipes and studies, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import bench
from alseg_core.errors import ConfigError, unknown_name


def experiments() -> Path:
    """Folder of the datasets, recipes and studies that come with the program."""
    return Path(bench.__file__).parent.parent / "experiments"


def catalogue(kind: str) -> dict[str, Path]:
    """Name -> file of the ``kind`` ("dataset", "recipe", "study") that come with the program."""
    folder = {"dataset": "datasets", "recipe": "recipes", "study": "studies"}[kind]
    return {path.stem: path for path in sorted((experiments() / folder).glob("*.yaml"))}


def read_yaml(path: Path) -> dict[str, Any]:
    """Mapping in a YAML file. Raises ConfigError: not readable, no YAML, no mapping."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of settings, got {type(content).__name__}.")
    return content


def find(kind: str, name: str) -> dict[str, Any]:
    """Content of a catalogue entry, or of the YAML file at that path. Raises ConfigError with the nearest name."""
    if name.endswith((".yaml", ".yml")):
        return read_yaml(Path(name).expanduser())
    known = catalogue(kind)
    if name not in known:
        raise ConfigError(unknown_name(kind, name, known) + " A path of a .yaml file works too.")
    return read_yaml(known[name])
