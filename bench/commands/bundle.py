"""``alseg bundle``: results in one file that others can check."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.commands.group import Folder, Group

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group)
def bundle() -> None:
    """Results in one small file that others can check: pack a study, check a bundle."""


@bundle.command("pack")
@click.argument("study", type=Folder())
@click.option("-o", "--out", "target", type=FILE, metavar="FILE", help="The bundle.  [default: NAME.alseg.zip]")
@click.option("--names", is_flag=True, help="Show the names of cases and patients, in place of pseudonyms.")
@click.option(
    "--tuning",
    "tunings",
    multiple=True,
    metavar="FOLDER|none",
    help="Folder of a tuning that a recipe or setting comes from, runs/tune-...; none = nothing was tuned.",
)
@click.option("--by-hand", metavar="TEXT", help="How settings were chosen without alseg tune, and on which volumes.")
def pack(study: Path, target: Path | None, names: bool, tunings: tuple[str, ...], by_hand: str | None) -> None:
    """Write the results in STUDY, such as runs/quick, to one file: no pixels, no networks, no folders of yours."""
    from rich.filesize import decimal

    from alseg_core.errors import ConfigError
    from bench.bundle.manifest import WORDS
    from bench.bundle.pack import ENDING
    from bench.bundle.pack import pack as write
    from bench.launchers.study_folder import shown
    from bench.study.typeable import quoted, typeable

    if "none" in tunings and len(tunings) > 1:
        raise ConfigError(
            "--tuning none says that nothing was tuned, and a folder of a tuning was given too; drop one."
        )
    if by_hand is not None and not 0 < len(by_hand.strip()) <= WORDS:
        raise ConfigError(f"--by-hand wants 1 to {WORDS} characters, got {len(by_hand.strip())}.")
    folders = [Path(name) for name in tunings if name != "none"] if tunings else None
    packed = write(study, target or Path(f"{study.resolve().name}{ENDING}"), names, folders, by_hand)
    for line in packed.remarks:
        click.echo(f"note: {line}")
    place = shown(packed.path.absolute())
    click.echo(f"{place}: {packed.runs} runs, {packed.rounds} rounds, {decimal(packed.bytes)}")
    click.echo(typeable(f"Check it before you hand it on: alseg bundle check {quoted(Path(place))} --strict"))


@bundle.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Also ask what a leaderboard asks for.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--data", type=Folder(), metavar="DIR", help="Folder of the raw scans, to check the split and to replay.")
@click.option("--replay", type=click.IntRange(0, 100_000), default=0, metavar="N", help="Make N rounds again.")
def check(file: Path, strict: bool, as_json: bool, data: Path | None, replay: int) -> None:
    """Check the results in FILE: complete, consistent, and, with --replay, made as it says. The exit code is 0 or 1.

    --strict also wants no uncommitted changes, three seeds 0, 1, 2 or more, no failed run, and a word about tuning.
    """
    from bench.bundle.check import check as verify

    verdict = verify(file, strict, data, replay)
    click.echo(json.dumps(verdict.plain(), indent=1) if as_json else verdict.text())
    click.get_current_context().exit(0 if verdict.passed else 1)
