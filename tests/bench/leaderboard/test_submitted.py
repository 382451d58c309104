"""Every bundle in experiments/results passes its check and has its page, as the command of the rules makes it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.bundle.pack import ENDING
from bench.cli import main

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


BUNDLES = sorted((EXPERIMENTS / "results").rglob(f"*{ENDING}"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_command_of_the_rules_passes_for_each_bundle(bundle: Path, tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (alseg leaderboard .+?)  +#", (EXPERIMENTS / "LEADERBOARD.md").read_text(), re.M)
    (tmp_path / "experiments/results").mkdir(parents=True)
    shutil.copy(bundle, tmp_path / "experiments/results")
    site = tmp_path / "site"
    _, *arguments = command.replace("experiments", str(tmp_path / "experiments")).replace("site", str(site)).split()
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (site / "bundles" / bundle.name).read_bytes() == bundle.read_bytes()
    assert f'href="bundles/{bundle.name}"' in (site / "index.html").read_text()
