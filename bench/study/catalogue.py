"""The datasets, recipes and studies that come with the program, by name, and YAML files of the user's own."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import bench
from alseg_core.errors import ConfigError, unknown_name
from alseg_core.yaml_reader import read_yaml


def experiments() -> Path:
    """Return the folder of the datasets, recipes and studies that come with the program."""
    return Path(bench.__file__).parent.parent / "experiments"


def catalogue(kind: str) -> dict[str, Path]:
    """Return name -> file of every ``kind`` ("dataset", "recipe", "study") that comes with the program."""
    folder = {"dataset": "datasets", "recipe": "recipes", "study": "studies"}[kind]
    return {path.stem: path for path in sorted((experiments() / folder).glob("*.yaml"))}


def locate(kind: str, name: str) -> Path:
    """Return the file of a catalogue entry, or the path of a YAML file, which may lack its ending.

    Raises ConfigError with the nearest name.
    """
    if name.endswith((".yaml", ".yml")):
        return user_path(name)
    known = catalogue(kind)
    if name not in known:
        with suppress(OSError):  # no file has such a name
            if (own := user_path(f"{name}.yaml")).is_file():
                return own
        raise ConfigError(unknown_name(kind, name, known) + " The path of a .yaml file works too.")
    return known[name]


def find(kind: str, name: str) -> dict[str, Any]:
    """Read a catalogue entry, or the YAML file at that path. Raises ConfigError when there is neither."""
    return read_yaml(locate(kind, name))


def user_path(name: str) -> Path:
    """Return a path as a user writes it, ``~`` resolved. Raises ConfigError when it names a home that is unknown."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{name!r} cannot be read: {error}") from None
