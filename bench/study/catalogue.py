"""The datasets, recipes and studies that come with the program, by name, and YAML files of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import bench
from alseg_core.errors import ConfigError, unknown_name


def experiments() -> Path:
    """Return the folder of the datasets, recipes and studies that come with the program."""
    return Path(bench.__file__).parent.parent / "experiments"


def catalogue(kind: str) -> dict[str, Path]:
    """Return name -> file of every ``kind`` ("dataset", "recipe", "study") that comes with the program."""
    folder = {"dataset": "datasets", "recipe": "recipes", "study": "studies"}[kind]
    return {path.stem: path for path in sorted((experiments() / folder).glob("*.yaml"))}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file. Raises ConfigError when the file is unreadable, not YAML or not a mapping."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of settings, got {type(content).__name__}.")
    return content


def locate(kind: str, name: str) -> Path:
    """Return the file of a catalogue entry, or the path of a YAML file. Raises ConfigError with the nearest name."""
    if name.endswith((".yaml", ".yml")):
        return Path(name).expanduser()
    known = catalogue(kind)
    if name not in known:
        raise ConfigError(unknown_name(kind, name, known) + " The path of a .yaml file works too.")
    return known[name]


def find(kind: str, name: str) -> dict[str, Any]:
    """Read a catalogue entry, or the YAML file at that path. Raises ConfigError when there is neither."""
    return read_yaml(locate(kind, name))
