"""``alseg list``: the names that a study can use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

FAMILIES = {
    "paper": "The paper and its ablation: k-centre on the contrastive encoder (Vepa et al., NeurIPS 2024)",
    "coverage": "Coverage: slices that represent the pool",
    "uncertainty": "Uncertainty: slices that the networks are unsure of",
    "both": "Both: unsure of, and unlike one another",
    "reference": "References",
}
WHAT = ("strategies", "recipes", "datasets", "studies")


@click.command("list")
@click.argument("what", type=click.Choice(WHAT))
@click.argument("name", required=False)
def list_command(what: str, name: str | None) -> None:
    """Names that a study can use, with one line each and where they come from; with NAME, that one in full."""
    from rich.console import Console

    # a pipe gets every line whole, whatever a terminal's width would be
    console = Console(soft_wrap=not Console().is_terminal, highlight=False, markup=False)
    if name is not None:
        _show(console, what, name)
    elif what == "recipes":
        entries = list(_recipes())
        for family, title in FAMILIES.items():
            console.print(title, style="bold")
            _cards(console, (card for own, card in entries if own == family))
    else:
        _cards(console, _strategies() if what == "strategies" else _entries(what))


def _cards(console: Console, cards: Iterable[tuple[str, str, str]]) -> None:
    """Name, what it is and its source; on a terminal each line keeps its margin where it is folded."""
    from rich.padding import Padding

    for name, told, source in cards:
        console.print(f"  {name}")
        for text, style in ((told, ""), (source, "dim")):
            if text and console.soft_wrap:
                console.print(f"      {text}")
            elif text:
                console.print(Padding(text, (0, 0, 0, 6)), style=style)


def _strategies() -> Iterator[tuple[str, str, str]]:
    from alseg_core.registry import summary
    from alseg_core.strategies import STRATEGIES

    for name, cls in STRATEGIES.items():
        yield name, summary(cls), str(getattr(cls, "paper", ""))


def _recipes() -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Family and card of every recipe."""
    from bench.study import catalogue, read_yaml

    for name, path in catalogue("recipe").items():
        recipe = read_yaml(path)
        yield _family(recipe), (name, str(recipe.get("summary", "")), str(recipe.get("paper", "")))


def _family(recipe: dict[str, Any]) -> str:
    """What its strategy and its embedding make of a recipe."""
    from alseg_core.strategies import STRATEGIES
    from alseg_core.strategies.coreset import Coreset
    from alseg_core.strategies.scores import ScoreStrategy

    def named(part: str) -> str:
        spec = recipe.get(part)
        return str(spec.get("name") if isinstance(spec, dict) else spec)

    strategy = STRATEGIES.get(named("strategy"), object)
    if getattr(strategy, "reads_ground_truth", False) or "reference" in str(recipe.get("paper")):
        return "reference"
    if getattr(strategy, "needs_model", False):
        return "uncertainty" if issubclass(strategy, ScoreStrategy) else "both"
    return "paper" if issubclass(strategy, Coreset) and named("embed") == "contrastive" else "coverage"


def _entries(what: str) -> Iterator[tuple[str, str, str]]:
    from bench.study import catalogue, read_yaml

    for name, path in catalogue(_kind(what)).items():
        if what == "studies":
            yield name, _comment(path), ""
        else:
            content = read_yaml(path)
            yield name, str(content.get("title", "")), str(content.get("citation", ""))


def _comment(path: Path) -> str:
    lines = (line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#"))
    return " ".join(lines)


def _kind(what: str) -> str:
    """Its name in the singular."""
    return what[:-3] + "y" if what.endswith("ies") else what[:-1]


def _show(console: Console, what: str, name: str) -> None:
    """Everything about one entry: its file; of a strategy or a recipe also what the strategy says of itself."""
    from alseg_core.errors import ConfigError, unknown_name
    from alseg_core.strategies import STRATEGIES
    from bench.study import catalogue, read_yaml

    if what == "strategies":
        _describe(console, name, STRATEGIES.resolve(name))
        return
    known = catalogue(_kind(what))
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
    elif name in known:
        path = known[name]
    else:
        raise ConfigError(unknown_name(_kind(what), name, known) + " A path of a .yaml file works too.")
    content = read_yaml(path)
    console.print(f"{path}\n\n{path.read_text().rstrip()}")
    if what == "recipes":
        strategy = type(STRATEGIES.build(content.get("strategy")))
        console.print()
        _describe(console, str(strategy.name), strategy)  # type: ignore[attr-defined]


def _describe(console: Console, name: str, cls: Any) -> None:
    """Name, documentation and settings of a strategy."""
    import dataclasses
    import inspect

    from alseg_core.registry import describe

    console.print(f"strategy {name} ({cls.paper})\n{inspect.getdoc(cls)}")
    fields = [field for field in dataclasses.fields(cls) if field.init]
    for field in fields:
        default = "must be given" if field.default is dataclasses.MISSING else f"default {describe(field.default)}"
        console.print(f"  {field.name}: {default}")
