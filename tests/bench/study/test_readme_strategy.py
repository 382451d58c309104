"""The strategy of the main README, followed word for word: its files are written, and the comparison runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_the_strategy_of_the_readme_is_compared_with_random(study_file: Path, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## Add a strategy")[2].partition("\n## ")[0]
    (name,) = re.findall(r"alseg new strategy (\w+)", section)
    (recipes,) = re.findall(r'RECIPES="([^"]*)"', section)
    assert recipes == f"random {name}.yaml"
    study = yaml.safe_load(study_file.read_text())
    study_file.write_text(yaml.safe_dump({**study, "recipes": recipes.split()}))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words in (["new", "strategy", name], ["bench", str(study_file), "--local", "--out", "out"]):
        command = [sys.executable, "-m", "bench.cli", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^ *{name} ", done.stdout, re.MULTILINE), done.stdout
    (records,) = (tmp_path / "out/small/runs").glob(f"*-{name}-*/rounds.jsonl")
    rounds = [json.loads(line) for line in records.read_text().splitlines()]
    assert [record["labelled"] for record in rounds] == [3, 6, 8]
