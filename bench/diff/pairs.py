"""Which runs of two sides belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from bench.diff.side import Side
from bench.report.runs.provenance import by_setting
from bench.report.runs.run import Run
from bench.report.setting import Setting, title


@dataclass(frozen=True, eq=False)
class Pair:
    """The runs of one recipe on both sides, in one setting or across two."""

    settings: tuple[Setting | None, Setting | None]
    """Setting on either side; None where nothing on that side belongs to it."""
    recipe: str
    """Name of the recipe; "" for all recipes of a setting."""
    runs: tuple[tuple[Run, ...], tuple[Run, ...]]
    """Its runs on either side, none where the recipe is missing."""

    @property
    def title(self) -> str:
        """Setting, or both, in words."""
        return " and ".join(dict.fromkeys(title(setting) for setting in self.settings if setting is not None))

    @property
    def both(self) -> bool:
        """Whether both sides have started runs of the recipe."""
        return all(any(run.config is not None for run in runs) for runs in self.runs)

    @property
    def one_setting(self) -> bool:
        """Whether the runs of both sides are of one setting."""
        return self.settings[0] == self.settings[1]

    @property
    def seeds(self) -> dict[int, tuple[Run, Run]]:
        """Seed -> its started runs, of seeds that both sides have."""
        left, right = ({run.seed: run for run in runs if run.config is not None} for runs in self.runs)
        return {seed: (run, right[seed]) for seed, run in left.items() if seed in right}

    @property
    def first(self) -> tuple[Run, Run]:
        """The started runs of the first seed that both sides have, or else the first ones of either."""
        ours, theirs = (next(run for run in runs if run.config is not None) for runs in self.runs)
        return next(iter(self.seeds.values()), (ours, theirs))


def pairs(left: Side, right: Side) -> list[Pair]:
    """Return a pair for every recipe of every setting. Where each side has one setting of its own, both are paired."""
    ours, theirs = by_setting(left.runs), by_setting(right.runs)
    return [pair for settings in _settings(list(ours), list(theirs)) for pair in _recipes(settings, ours, theirs)]


def shared(pairs: Sequence[Pair]) -> list[tuple[str, Pair]]:
    """Return what both sides have, with its name: recipes, and their setting where there are several.

    A setting without a common recipe counts as one pair of all its runs, whose recipe is "".
    """
    several = len({pair.settings for pair in pairs}) > 1
    found: list[tuple[str, Pair]] = []
    for settings, group in groupby(pairs, lambda pair: pair.settings):
        some = list(group)
        ours, theirs = (tuple(run for pair in some for run in pair.runs[i]) for i in (0, 1))
        whole = Pair(settings, "", (ours, theirs))
        both = [pair for pair in some if pair.both] or [pair for pair in [whole] if pair.both]
        found += [(_name(pair, several), pair) for pair in both]
    return found


def _name(pair: Pair, several: bool) -> str:
    if not pair.recipe:
        return pair.title
    return f"{pair.recipe} ({pair.title})" if several else pair.recipe


def _settings(ours: Sequence[Setting], theirs: Sequence[Setting]) -> Iterator[tuple[Setting | None, Setting | None]]:
    both = [setting for setting in ours if setting in theirs]
    yield from zip(both, both, strict=True)
    left, right = ([setting for setting in some if setting not in both] for some in (ours, theirs))
    if len(left) == len(right) == 1:
        yield left[0], right[0]
    else:
        yield from zip_longest(left, [])
        yield from ((None, setting) for setting in right)


def _recipes(
    settings: tuple[Setting | None, Setting | None], ours: dict[Setting, list[Run]], theirs: dict[Setting, list[Run]]
) -> Iterator[Pair]:
    left = [] if settings[0] is None else ours[settings[0]]
    right = [] if settings[1] is None else theirs[settings[1]]
    for recipe in dict.fromkeys(run.recipe for run in [*left, *right]):
        yield Pair(
            settings,
            recipe,
            (tuple(run for run in left if run.recipe == recipe), tuple(run for run in right if run.recipe == recipe)),
        )
