"""Dimensions of a search space: a range of numbers or a list of choices for one setting of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field

from alseg_core.errors import ConfigError, shown
from alseg_core.quantities import Positive
from alseg_core.registry import Registry, component
from bench.study import overlay

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FixedTrial

USED = "{} used"
"""Name of Optuna's parameter for whether a setting is used at all."""

DIGITS = 4
"""Significant digits of real numbers, so that a YAML file can hold them exactly."""

RANGE = "the range"
"""Name of the bounds before they belong to a setting, for messages."""

Scalar = bool | int | float | str


class Parameter(Protocol):
    """One dimension of a search space. ``own`` is the recipe's value without tuning, as plain data."""

    def suggest(self, trial: Trial | FixedTrial, path: str, own: Any) -> Any:
        """Ask Optuna for a value of the setting ``path``; return plain data."""

    def point(self, path: str, own: Any) -> dict[str, Any]:
        """Return Optuna's parameters for ``own``. Raises ConfigError when it is outside the space."""


@component
class Float:
    """A number from low to high, both included, or from times[0] to times[1] times the recipe's own value."""

    low: float | None = None
    """Lower end of the range."""
    high: float | None = None
    """Upper end of the range."""
    times: tuple[Positive, Positive] | None = None
    """Ends of the range in multiples of the recipe's own value, in place of low and high."""
    log: bool = False
    """Draw uniformly on the logarithmic scale."""
    step: Positive | None = None
    """Step of a grid from low on; null = any number."""
    without: float | None = None
    """Value outside the range that turns the setting off; whether to use it is then a parameter of its own."""

    def __post_init__(self) -> None:
        given = [self.low is not None, self.high is not None]
        if (any(given) if self.times else not all(given)) or (self.log and self.step):
            raise ConfigError("a range takes low and high, or times in their place, and log or step but not both.")
        low, high = self._bounds(RANGE, 1.0)
        if not low < high or (self.log and low <= 0):
            raise ConfigError(
                f"a range takes low < high{', both above 0 with log' if self.log else ''}; got {low:g}, {high:g}."
            )
        if self.step is not None and self.times is None and self.step > high - low:
            raise ConfigError(f"step {self.step:g} is larger than the range from {low:g} to {high:g}.")
        if self.without is not None and self.times is None and low <= self.without <= high:
            raise ConfigError(
                f"without must be a value outside the range, got {self.without:g} in {low:g} to {high:g}."
            )

    def suggest(self, trial: Trial | FixedTrial, path: str, own: Any) -> Any:
        """Suggest a number of the range, or the one that turns the setting off."""
        low, high = self._bounds(path, own)
        if self.without is not None and not trial.suggest_categorical(USED.format(path), [True, False]):
            return self._off()
        return self._draw(trial, path, low, high)

    def point(self, path: str, own: Any) -> dict[str, Any]:
        """Return the number itself, or that it is not used."""
        low, high = self._bounds(path, own)
        if self.without is not None and own == self.without:
            return {USED.format(path): False}
        if not low <= own <= high:
            raise ConfigError(
                f"space {path}: the recipe's own value {own:g} is outside {low:g} to {high:g}; widen the range, "
                "so that the result can be compared with it."
            )
        return {**({} if self.without is None else {USED.format(path): True}), path: own}

    def _bounds(self, path: str, own: Any) -> tuple[float, float]:
        if isinstance(own, bool) or not isinstance(own, (int, float)):
            raise ConfigError(
                f"space {path}: a range is for numbers, the recipe's own value is {own!r}; try categorical."
            )
        low, high = (own * self.times[0], own * self.times[1]) if self.times else (self.low, self.high)
        assert low is not None and high is not None
        return low, high

    def _off(self) -> float | None:
        return self.without

    def _draw(self, trial: Trial | FixedTrial, path: str, low: float, high: float) -> float:
        return float(f"{trial.suggest_float(path, low, high, log=self.log, step=self.step):.{DIGITS}g}")


@component
class Int(Float):
    """An integer; the fields are those of ``float``, and whole but for times, whose products are rounded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("low", "high", "step", "without"):
            value = getattr(self, field)
            if value is not None and not float(value).is_integer():
                raise ConfigError(f"{field}: a whole number was wanted, got {value:g}.")

    def _bounds(self, path: str, own: Any) -> tuple[float, float]:
        low, high = super()._bounds(path, own)
        if path == RANGE:
            return low, high
        least = max(round(low), 1) if self.log else round(low)
        return least, max(round(high), least)

    def _off(self) -> int | None:
        return None if self.without is None else int(self.without)

    def _draw(self, trial: Trial | FixedTrial, path: str, low: float, high: float) -> int:
        return trial.suggest_int(path, int(low), int(high), log=self.log, step=int(self.step or 1))


@component
class Categorical:
    """One of several values, or one of several named groups of settings."""

    choices: Annotated[tuple[Scalar, ...] | dict[str, dict[str, Any]], Field(min_length=1)]
    """A list of values, or name -> settings laid over the recipe's own ({} = as they are)."""

    def __post_init__(self) -> None:
        listed = list(self.choices)
        repeated = [choice for i, choice in enumerate(listed) if choice in listed[:i]]
        if repeated:
            raise ConfigError(f"choices: {shown(repeated[0])} is listed twice.")

    def suggest(self, trial: Trial | FixedTrial, path: str, own: Any) -> Any:
        """Suggest a value, or the recipe's own settings with those of the chosen name laid over them."""
        chosen = trial.suggest_categorical(path, list(self.choices))
        return overlay(own, self.choices[str(chosen)]) if isinstance(self.choices, Mapping) else chosen

    def point(self, path: str, own: Any) -> dict[str, Any]:
        """Return the choice that leaves the recipe as it is."""
        if isinstance(self.choices, Mapping):
            same: list[Any] = [name for name, settings in self.choices.items() if overlay(own, settings) == own]
        else:
            same = [choice for choice in self.choices if choice == own]
        if not same:
            raise ConfigError(
                f"space {path}: none of the choices is the recipe's own value {own!r}; add it, so that the result "
                "can be compared with it."
            )
        return {path: same[0]}


PARAMETERS: Registry[Parameter] = Registry(
    "kind of parameter", {"float": Float, "int": Int, "categorical": Categorical}, Parameter
)
