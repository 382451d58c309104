"""Checking a bundle: every check in turn, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alseg_core.errors import AlsegError, ResultsError
from alseg_core.visible import visible
from bench.bundle.checks import CHECKS, STRICT, Check
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, opened
from bench.bundle.replay import replayed

SHOWN = 5
"""Most findings of a check that the text of a verdict shows; JSON has all."""
LONGEST = 500
"""Characters of a finding that are shown."""
FORM = "the file"
"""Check that comes before all others."""
REPLAY = "replay"
"""Check that makes rounds again."""
LACKING = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What checks meet in files of a stranger, whose every field they do not check first."""


@dataclass(frozen=True)
class Verdict:
    """What the checks found in a bundle."""

    path: Path
    """The bundle."""
    found: dict[str, tuple[Finding, ...]]
    """Check -> what it found, in the order of the checks; one that found nothing passed."""

    @property
    def passed(self) -> bool:
        """Whether no check found a problem."""
        return not any(finding.problem for findings in self.found.values() for finding in findings)

    def plain(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        checks = {
            name: {
                "passed": not any(finding.problem for finding in findings),
                "problems": [visible(finding.text) for finding in findings if finding.problem],
                "notes": [visible(finding.text) for finding in findings if not finding.problem],
            }
            for name, findings in self.found.items()
        }
        return {"file": self.path.name, "passed": self.passed, "checks": checks}

    def text(self) -> str:
        """Return the verdict in lines for a terminal."""
        lines = []
        for name, findings in self.found.items():
            problems = [finding for finding in findings if finding.problem]
            notes = [finding for finding in findings if not finding.problem]
            lines.append(f"{'FAIL' if problems else 'ok  '}  {name}")
            for kind, some in (("", problems), ("note: ", notes)):
                lines += [f"      {kind}{visible(finding.text, LONGEST)}" for finding in some[:SHOWN]]
                if len(some) > SHOWN:
                    lines.append(f"      {kind}and {len(some) - SHOWN} more (--json shows all)")
        failed = sum(any(finding.problem for finding in findings) for findings in self.found.values())
        end = "passed" if self.passed else f"failed: {failed} of {len(self.found)} checks found problems"
        return "\n".join([*lines, f"{self.path.name}: {end}"])


def check(path: Path, strict: bool = False, data: Path | None = None, replay: int = 0) -> Verdict:
    """Check the bundle in a file.

    Args:
        path: the file.
        strict: also what a leaderboard asks for.
        data: folder of the raw scans; None where they are generated or not there.
        replay: rounds to make again.

    Raises ResultsError if there is no such file.
    """
    if not path.exists():
        raise ResultsError(f"{path} does not exist; alseg bundle pack writes bundles.")
    found: dict[str, tuple[Finding, ...]] = {FORM: ()}
    try:
        with opened(path, data) as bundle:
            for name, run in {**CHECKS, **(STRICT if strict else {})}.items():
                found[name] = _findings(run, bundle)
            if replay:
                found[REPLAY] = _replay(bundle, replay)
    except ResultsError as error:
        found[FORM] = (Finding(str(error)),)
    return Verdict(path, found)


def _findings(run: Check, bundle: Bundle) -> tuple[Finding, ...]:
    """Return what a check finds; a bundle whose files lack what it needs fails it."""
    try:
        return tuple(dict.fromkeys(run(bundle)))
    except AlsegError as error:
        return (Finding(f"cannot be checked: {error}"),)
    except LACKING as error:
        return (Finding(f"cannot be checked, as no run leaves such files ({type(error).__name__}: {error})"),)


def _replay(bundle: Bundle, rounds: int) -> tuple[Finding, ...]:
    """Return what making rounds again finds; what stops it is a problem, as whoever asks for it wants to know."""
    try:
        return tuple(replayed(bundle, rounds))
    except AlsegError as error:
        return (Finding(f"not replayed: {error}"),)
