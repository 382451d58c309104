"""How runs are executed: in this process, on Ray, or by a launcher from outside; see the README in this folder."""

from __future__ import annotations

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.outside import check_protocol, is_outside, load_object
from alseg_core.registry import Registry
from bench.launchers.launcher import Launcher, TrialLauncher
from bench.launchers.local import LocalLauncher
from bench.launchers.ray_launcher import RayLauncher

LAUNCHERS: Registry[Launcher] = Registry("launcher", {"ray": RayLauncher, "local": LocalLauncher}, Launcher)


def find_launcher(name: str) -> Launcher:
    """Return the launcher ``name``: one of :data:`LAUNCHERS`, or a class from outside the package as ``module:Class``.

    Raises ConfigError if there is none, or if the class is not a launcher.
    """
    if not is_outside(name):
        if name not in LAUNCHERS:
            raise ConfigError(unknown_name("launcher", name, LAUNCHERS) + " One of your own is named module:Class.")
        return LAUNCHERS.build(name)
    cls, what = load_object(name, "launcher"), f"launcher {name!r}"
    if not isinstance(cls, type):
        raise ConfigError(f"{what}: a class was wanted, got {type(cls).__name__}.")
    check_protocol(cls, Launcher, what)
    try:
        launcher: Launcher = cls()
    except TypeError as error:  # no method run(), or a constructor that requires arguments
        raise ConfigError(f"{what}: {error}.") from None
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
