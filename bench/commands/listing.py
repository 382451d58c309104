"""``alseg list``: the names that a study can use, and the fields of its parts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from alseg_core.fields import FieldDoc

TOPIC_TITLES = {"part": "Parts of a study or a dataset", "file": "YAML files"}
"""Titles of what ``alseg list fields`` describes besides registered components."""

WITH_SOURCE = 100
"""Columns that a terminal needs for the sources; a narrower one shows more of the summaries instead."""

KINDS = {"strategies": "strategy", "recipes": "recipe", "datasets": "dataset", "studies": "study"}
"""What can be listed -> the name of one of them."""


@click.command("list")
@click.argument("what", type=click.Choice([*KINDS, "launchers", "fields"]))
@click.argument("name", required=False)
def list_command(what: str, name: str | None) -> None:
    """List the names that a study can use, each with a summary and its source; with NAME, show that one in full.

    NAME may also be the path of a YAML file.

    "fields NAME" lists what --set takes: the fields of study, trainer or a component such as unet_dual, with types and
    defaults. "fields" alone lists what NAME can be.
    """
    from rich.console import Console

    # a pipe gets every line whole, whatever a terminal's width would be
    console = Console(soft_wrap=not Console().is_terminal, highlight=False, markup=False)
    if what == "fields":
        _topics(console) if name is None else _fields(console, name)
    elif what == "launchers":
        _table(console, _launchers())
    elif name is not None:
        _show(console, what, name)
    elif what == "recipes":
        from bench.study.family import FAMILIES

        entries = list(_recipes())
        widest = max(len(row[0]) for _, row in entries)
        for family, title in FAMILIES.items():
            console.print(title, style="bold")
            _table(console, (row for own, row in entries if own == family), widest)
    else:
        _table(console, _strategies() if what == "strategies" else _entries(what))


def _table(console: Console, rows: Iterable[tuple[str, str, str]], widest: int = 0) -> None:
    """Print name, summary and source, one line each; a terminal cuts what it has no room for, a pipe gets all of it.

    widest: width of the longest name of all tables, so that they are aligned.
    """
    from rich.table import Table
    from rich.text import Text

    found = list(rows)
    widest = max([widest, *(len(name) for name, _, _ in found)])
    if console.soft_wrap:
        room = max((len(text) for _, text, _ in found), default=0)
        for name, text, source in found:
            console.print(f"  {name:<{widest}}  {text:<{room}}  {source}".rstrip())
        return
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=widest + 2, no_wrap=True)
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    if console.width >= WITH_SOURCE and any(source for _, _, source in found):
        table.add_column(ratio=2, no_wrap=True, overflow="ellipsis", style="dim")
    for name, *rest in found:
        table.add_row(Text(f"  {name}"), *map(Text, rest[: len(table.columns) - 1]))
    console.print(table)


def _launchers() -> Iterator[tuple[str, str, str]]:
    from alseg_core.registry import summary
    from bench.launchers import LAUNCHERS

    for name, cls in LAUNCHERS.items():
        yield name, summary(cls), ""


def _strategies() -> Iterator[tuple[str, str, str]]:
    from alseg_core.registry import summary
    from alseg_core.strategies import STRATEGIES

    for name, cls in STRATEGIES.items():
        yield name, summary(cls), str(getattr(cls, "paper", ""))


def _recipes() -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield family and card of every recipe."""
    from alseg_core.strategies import STRATEGIES
    from bench.study import catalogue, read_yaml
    from bench.study.family import family

    for name, path in catalogue("recipe").items():
        recipe = read_yaml(path)
        strategy, paper = STRATEGIES.build(recipe["strategy"]), str(recipe.get("paper", ""))
        yield family(strategy, _name(recipe.get("embed"))), (name, str(recipe.get("summary", "")), paper)


def _name(spec: Any) -> str:
    """Return the name of a component that is given by name or as a mapping with ``name``."""
    return str(spec.get("name") if isinstance(spec, dict) else spec)


def _entries(what: str) -> Iterator[tuple[str, str, str]]:
    from bench.study import catalogue, read_yaml

    for name, path in catalogue(KINDS[what]).items():
        if what == "studies":
            yield name, _comment(path), ""
        else:
            content = read_yaml(path)
            yield name, str(content.get("title", "")), str(content.get("citation", ""))


def _comment(path: Path) -> str:
    """Return the comment at the head of a file."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    return " ".join(line[1:].strip() for line in lines)


def _show(console: Console, what: str, name: str) -> None:
    """Print the file of one entry; for a recipe also what its strategy and its embedding are and can be set to."""
    from alseg_core.registry import Registry
    from alseg_core.strategies import STRATEGIES
    from bench.study import DatasetFile, Study, locate, read_yaml
    from bench.study.recipe_file import find_recipe

    if what == "strategies":
        _describe(console, STRATEGIES.kind, STRATEGIES.resolve(name))
        return
    path = locate(KINDS[what], name)
    content = read_yaml(path)
    if what == "studies":
        Study.load(content)
    elif what == "datasets":
        DatasetFile(name, content)
    else:
        content = find_recipe(name)
    console.print(f"{path}\n\n{path.read_text().rstrip()}")
    if what == "recipes":
        parts: list[tuple[Registry[Any], Any]] = [(STRATEGIES, content["strategy"])]
        if content.get("embed") is not None:
            from alseg_core.embed import EMBEDDERS  # imports torch, which takes a second

            parts.append((EMBEDDERS, content["embed"]))
        for registry, spec in parts:
            console.print()
            _describe(console, registry.kind, type(registry.build(spec)))


def _describe(console: Console, kind: str, cls: Any) -> None:
    """Print name, documentation and fields of a component."""
    import inspect

    from alseg_core.fields import field_docs

    paper = getattr(cls, "paper", "")  # a class of the user's own may lack it
    console.print(f"{kind} {cls.name}{f' ({paper})' if paper else ''}\n{_plain(inspect.getdoc(cls) or '')}".rstrip())
    _print_fields(console, field_docs(cls))


def _plain(text: str) -> str:
    """Return a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "")


def _topics(console: Console) -> None:
    """Print what ``alseg list fields`` can describe."""
    from alseg_core.registry import summary
    from bench.commands.field_topics import topics

    for kind, found in itertools.groupby(topics(), key=lambda topic: topic.kind):
        if kind in TOPIC_TITLES:
            console.print(TOPIC_TITLES[kind], style="bold")
            _table(console, ((topic.name, summary(topic.cls), "") for topic in found))
        else:
            console.print(f"{kind}: {', '.join(topic.name for topic in found)}")


def _fields(console: Console, name: str) -> None:
    """Print the fields of a part, a file or a component."""
    from alseg_core.registry import summary
    from bench.commands.field_topics import find_topics

    for topic in find_topics(name):
        title = topic.name if topic.kind in TOPIC_TITLES else f"{topic.kind} {topic.name}"
        console.print(f"{title}: {summary(topic.cls)}", style="bold")
        found = topic.fields()
        console.print(f"Set {topic.place}." if found else "It has no fields.")
        _print_fields(console, found)


def _print_fields(console: Console, found: Iterable[FieldDoc]) -> None:
    """Print one line per field; on a terminal the rows of a table."""
    from rich.table import Table

    if console.soft_wrap:
        for field in found:
            console.print(f"  {field.key}: {_default(field)} ({field.type}). {field.text}".rstrip())
        return
    table = Table("field", "type", "default", "meaning", show_edge=False, pad_edge=False)
    for field in found:
        table.add_row(field.key, field.type, "must be given" if field.default is None else field.default, field.text)
    if table.rows:
        console.print(table)


def _default(field: FieldDoc) -> str:
    return "must be given" if field.default is None else f"default {field.default}" if field.default else "see below"
