"""The ends of a search space, so that settings that no run takes are found before the first trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from optuna.trial import FixedTrial

    from bench.tuning.parameters import Parameter


class _Edge:
    """Stands for a trial that proposes an end of every range and the same position of every list."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.most = 2
        """Length of the longest list that was asked for; a range counts as one of two."""

    def suggest_float(self, _name: str, low: float, high: float, **_options: Any) -> float:
        return (low, high)[self.position % 2]

    def suggest_int(self, _name: str, low: int, high: int, **_options: Any) -> int:
        return (low, high)[self.position % 2]

    def suggest_categorical(self, _name: str, choices: Sequence[Any]) -> Any:
        self.most = max(self.most, 2 * len(choices))  # each with both ends of a range that depends on it
        return choices[self.position // 2 % len(choices)]


def edges(parameter: Parameter, path: str, own: Any) -> Iterator[Any]:
    """Yield the setting ``path`` at the ends of its range and for each of its choices, as plain data.

    own: the recipe's value.
    """
    position = most = 0
    while position <= most:
        edge = _Edge(position)
        yield parameter.suggest(cast("FixedTrial", edge), path, own)
        most, position = max(most, edge.most - 1), position + 1
