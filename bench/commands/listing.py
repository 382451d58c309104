"""``alseg list``: the names that a study can use."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("list")
@click.argument("what", type=click.Choice(["strategies", "recipes", "datasets", "studies"]))
def list_command(what: str) -> None:
    """Names that a study can use, with one line each and where they come from."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what it is", "source", show_edge=False)
    for row in _strategies() if what == "strategies" else _entries(what):
        table.add_row(*row)
    Console().print(table)


def _strategies() -> list[tuple[str, str, str]]:
    from alseg_core.registry import summary
    from alseg_core.strategies import STRATEGIES

    return [(name, summary(cls), str(getattr(cls, "paper", ""))) for name, cls in STRATEGIES.items()]


def _entries(what: str) -> list[tuple[str, str, str]]:
    from bench.study import catalogue, read_yaml

    if what == "studies":
        return [(name, _comment(path), "") for name, path in catalogue("study").items()]
    files = {name: read_yaml(path) for name, path in catalogue(what[:-1]).items()}
    return [
        (name, str(c.get("title") or c.get("summary", "")), str(c.get("paper") or c.get("citation", "")))
        for name, c in files.items()
    ]


def _comment(path: Path) -> str:
    lines = (line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#"))
    return " ".join(lines)
