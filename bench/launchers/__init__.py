"""How runs are executed: in this process, on Ray, or by a launcher from outside; see the README in this folder."""

from __future__ import annotations

import importlib

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.registry import Registry
from bench.launchers.launcher import Launcher, TrialLauncher
from bench.launchers.local import LocalLauncher
from bench.launchers.ray_launcher import RayLauncher

LAUNCHERS: Registry[Launcher] = Registry("launcher", {"ray": RayLauncher, "local": LocalLauncher})


def find_launcher(name: str) -> Launcher:
    """Return the launcher ``name``: one of :data:`LAUNCHERS`, or a class from outside as ``module:Class``.

    Raises ConfigError if there is none.
    """
    module, colon, cls = name.partition(":")
    if not colon:
        if name not in LAUNCHERS:
            raise ConfigError(unknown_name("launcher", name, LAUNCHERS) + " A class works too: module:Class.")
        return LAUNCHERS.build(name)
    try:
        found = getattr(importlib.import_module(module), cls)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"launcher {name!r}: {error}; wanted module:Class, importable by Python.") from None
    launcher: Launcher = found()
    return launcher


def find_trial_launcher(name: str) -> TrialLauncher:
    """Return the launcher ``name``, which must be able to execute the trials of a tuning.

    Raises ConfigError if it cannot, or if there is none.
    """
    launcher = find_launcher(name)
    if not isinstance(launcher, TrialLauncher):
        able = ", ".join(known for known, cls in LAUNCHERS.items() if hasattr(cls, "search"))
        raise ConfigError(f"launcher {name!r} cannot run the trials of a tuning: it has no search(). Able: {able}.")
    return launcher
