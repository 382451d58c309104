"""The core runs where no launcher, tracker or plotting package is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

BLOCKED = """
import runpy, sys
class Without:  # a finder for which some packages are not installed
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"ray", "mlflow", "optuna", "pandas", "matplotlib", "bench", "rich", "click"}:
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
try:
    import pandas
except ModuleNotFoundError:
    pass
else:
    sys.exit("the block does not hold")
sys.argv = ["alseg_core", *sys.argv[1:]]
runpy.run_module("alseg_core", run_name="__main__")
"""


def test_a_whole_experiment_with_ray_mlflow_optuna_pandas_matplotlib_blocked(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    tiny["recipe"] = {"name": "coreset", "strategy": "coreset", "embed": "pixels"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(tiny))
    command = [sys.executable, "-c", BLOCKED, str(tmp_path / "run.yaml"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("round ") == 3


def test_a_mistake_is_one_line_and_no_traceback(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["recipe"]["strategy"] = "randm"
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(tiny))
    done = subprocess.run(
        [sys.executable, "-m", "alseg_core", str(tmp_path / "run.yaml")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown strategy 'randm'. Did you mean 'random'?")
    assert "Traceback" not in done.stderr
