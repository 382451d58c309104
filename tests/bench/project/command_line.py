"""The commands of a project, as a user types them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from bench.cli import main


def alseg(*words: str | Path) -> Result:
    """Run ``alseg project WORDS``."""
    return CliRunner().invoke(main, ["project", *map(str, words)], catch_exceptions=False)


def ok(*words: str | Path) -> str:
    """Run a command that must work; return what it says, as one line."""
    done = alseg(*words)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def refused(*words: str | Path) -> str:
    """Run a command that must be refused with one clear message; return it, as one line."""
    done = alseg(*words)
    assert done.exit_code == 2 and "Traceback" not in done.output, done.output
    return " ".join(done.output.split())


def sets(*settings: str) -> list[str]:
    """Return the options for settings."""
    return [word for setting in settings for word in ("--set", setting)]
