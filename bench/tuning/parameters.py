"""What can be tuned: a range of numbers or a list of choices for one setting of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field

from alseg_core.errors import ConfigError
from alseg_core.registry import Registry, component
from bench.study import overlay

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FixedTrial

USED = "{} used"
"""Optuna's name of the choice between a range and doing without."""

DIGITS = 4
"""Significant digits of a real number that is tried, so that a file can say it."""

RANGE = "the range"

Positive = Annotated[float, Field(gt=0)]
Scalar = bool | int | float | str


class Parameter(Protocol):
    """One dimension of a search space. ``own`` is what the recipe has there without tuning, as plain data."""

    def suggest(self, trial: Trial | FixedTrial, path: str, own: Any) -> Any:
        """Ask Optuna for a value of the setting ``path``; plain data."""

    def point(self, path: str, own: Any) -> dict[str, Any]:
        """Optuna's parameters that stand for ``own``. Raises ConfigError when it is not in the space."""


@component
class Float:
    """A number from low to high, both included, or from times[0] to times[1] times the recipe's own.

    log: drawn uniformly in the logarithm. step: of a grid from low on. without: value outside the range that stands for
    doing without the setting; whether it is used is then a choice of its own.
    """

    low: float | None = None
    high: float | None = None
    times: tuple[Positive, Positive] | None = None
    log: bool = False
    step: Positive | None = None
    without: float | None = None

    def __post_init__(self) -> None:
        given = [self.low is not None, self.high is not None]
        if (any(given) if self.times else not all(given)) or (self.log and self.step):
            raise ConfigError("a range wants low and high, or times in their place; and log or step, not both.")
        low, high = self._bounds(RANGE, 1.0)
        if not low < high or (self.log and low <= 0):
            raise ConfigError(
                f"a range wants low < high{', both above 0 where log' if self.log else ''}; got {low:g}, {high:g}."
            )
        if self.without is not None and self.times is None and low <= self.without <= high:
            raise ConfigError(f"without is a value outside the range, got {self.without:g} in {low:g} to {high:g}.")

    def suggest(self, trial: Trial | FixedTrial, path: str, own: Any) -> Any:
        """A number of the range, or the one that stands for doing without."""
        low, high = self._bounds(path, own)
        if self.without is not None and not trial.suggest_categorical(USED.format(path), [True, False]):
            return self.without
        return self._draw(trial, path, low, high)

    def point(self, path: str, own: Any) -> dict[str, Any]:
        """The number itself, or that it is not used."""
        low, high = self._bounds(path, own)
        if self.without is not None and own == self.without:
            return {USED.format(path): False}
        if not low <= own <= high:
            raise ConfigError(
                f"space {path}: the recipe's own value {own:g} is outside {low:g} to {high:g}; widen the range, "
                "so that what is found can be compared with it."
            )
        return {**({} if self.without is None else {USED.format(path): True}), path: own}

    def _bounds(self, path: str, own: Any) -> tuple[float, float]:
        if isinstance(own, bool) or not isinstance(own, (int, float)):
            raise ConfigError(f"space {path}: a range is for numbers, the recipe has {own!r} there; try categorical.")
        low, high = (own * self.times[0], own * self.times[1]) if self.times else (self.low, self.high)
        assert low is not None and high is not None
        return low, high

    def _draw(self, trial: Trial | FixedTrial, path: str, low: float, high: float) -> float:
        return float(f"{trial.suggest_float(path, low, high, log=self.log, step=self.step):.{DIGITS}g}")


@component
class Int(Float):
    """A whole number; the fields are those of ``float``, bounds are rounded, with log to 1 at least."""

    def _bounds(self, path: str, own: Any) -> tuple[float, float]:
        low, high = super()._bounds(path, own)
        if path == RANGE:
            return low, high
        least = max(round(low), 1) if self.log else round(low)
        return least, max(round(high), least)

    def _draw(self, trial: Trial | FixedTrial, path: str, low: float, high: float) -> int:
        return trial.suggest_int(path, int(low), int(high), log=self.log, step=int(self.step or 1))


@component
class Categorical:
    """One of some values, or one of some named mappings of settings that belong together.

    choices: a list of values, or name -> settings laid over the recipe's own ({} = as they are).
    """

    choices: Annotated[tuple[Scalar, ...] | dict[str, dict[str, Any]], Field(min_length=1)]

    def suggest(self, trial: Trial | FixedTrial, path: str, own: Any) -> Any:
        """The value, or the recipe's own settings with those of the chosen name over them."""
        chosen = trial.suggest_categorical(path, list(self.choices))
        return overlay(own, self.choices[str(chosen)]) if isinstance(self.choices, Mapping) else chosen

    def point(self, path: str, own: Any) -> dict[str, Any]:
        """The choice that leaves the recipe as it is."""
        if isinstance(self.choices, Mapping):
            same: list[Any] = [name for name, settings in self.choices.items() if overlay(own, settings) == own]
        else:
            same = [choice for choice in self.choices if choice == own]
        if not same:
            raise ConfigError(
                f"space {path}: none of the choices is the recipe's own value {own!r}; add it, so that what is found "
                "can be compared with it."
            )
        return {path: same[0]}


PARAMETERS: Registry[Parameter] = Registry(
    "kind of parameter", {"float": Float, "int": Int, "categorical": Categorical}, Parameter
)
