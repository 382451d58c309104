"""Every bundle in experiments/results passes its check, and the leaderboard of them builds."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from bench.bundle.pack import ENDING
from bench.cli import main

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def test_the_command_of_the_rules_passes_and_has_all_bundles(tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (alseg leaderboard .+?)  +#", (EXPERIMENTS / "LEADERBOARD.md").read_text(), re.M)
    _, *arguments = command.replace("experiments", str(EXPERIMENTS)).replace("site", str(tmp_path)).split()
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "index.html").read_text()
    copies = {path.name for path in (tmp_path / "bundles").rglob("*") if path.is_file()}
    assert copies == {path.name for path in (EXPERIMENTS / "results").rglob(f"*{ENDING}")}
    assert all(f'href="bundles/{name}"' in page or f"/{name}" in page for name in copies)
