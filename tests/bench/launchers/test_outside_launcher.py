"""A launcher that the package does not know runs a whole study, with the same results as ``local``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from alseg_core.results import RunFolder
from bench.cli import main
from bench.launchers import LAUNCHERS
from tests.bench.conftest import BROKEN

OUTSIDE = "tests.bench.launchers.outside_launcher:ProcessPool"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes of the pool import this folder."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))


def bench(study_file: Path, out: Path, *arguments: str) -> Result:
    command = ["bench", str(study_file), "--out", str(out), *arguments]
    return CliRunner().invoke(main, command, catch_exceptions=False)


def rounds(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Finished rounds of every run, without the time and memory they took and the commit, which may change."""
    found = {}
    for path in out.glob("small/runs/*/rounds.jsonl"):
        found[path.parent.name] = [json.loads(line) for line in path.read_text().splitlines()]
        for line in found[path.parent.name]:
            for name in ("seconds", "cpu_seconds", "ended", "peak_mb", "files", "check"):
                del line[name]
            del line["made_by"]["commit"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_study_has_the_same_rounds_as_with_local_and_a_failed_run_is_tried_again(
    study_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(BROKEN))
    recipes = ["--set", f"recipes=random strided {tmp_path / 'broken.yaml'}"]
    result = bench(study_file, tmp_path / "pool", "--launcher", OUTSIDE, *recipes)
    assert result.exit_code == 1
    assert result.output.count("trying again: broken") == 1 and result.output.count("Try a lower lr") >= 2
    assert "1 of 3 runs failed" in result.output and "Traceback" not in result.output
    (broken,) = (tmp_path / "pool").glob("small/runs/*broken*")
    assert "Try a lower lr" in (RunFolder(broken).failure() or "")

    assert bench(study_file, tmp_path / "alone", "--local").exit_code == 0
    alone = rounds(tmp_path / "alone")
    assert len(alone) == 2 and all(len(lines) == 3 for lines in alone.values())
    pool = rounds(tmp_path / "pool")
    assert {key: pool[key] for key in alone} == alone


def test_an_estimate_counts_the_places_of_the_launcher(study_file: Path, tmp_path: Path) -> None:
    result = bench(study_file, tmp_path, "--launcher", OUTSIDE, "--estimate", "--set", "concurrency=1")
    assert result.exit_code == 0 and "1 at once" in result.output and not (tmp_path / "small").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--launcher", "rya"],
            "unknown launcher 'rya'. Did you mean 'ray'? Known: " + ", ".join(sorted(LAUNCHERS)) + ". One of your own",
        ),
        (["--launcher", "no.such.module:Pool"], "no module 'no' on the import path"),
        (["--launcher", f"{OUTSIDE}s"], "ProcessPools"),
        (
            ["--launcher", "collections:Counter"],
            "lacks check, places, remote, run, start, starting of bench.launchers.launcher",
        ),
        (["--launcher", "collections:namedtuple"], "a class was wanted, got function"),
        (["--launcher", "bench.launchers.launcher:Launcher"], "abstract method"),
        (["--launcher", "ray", "--local"], "--local is short for --launcher local"),
        (["--launcher", OUTSIDE, "--set", "resources.gpus=99"], "this machine has"),
    ],
)
def test_a_launcher_that_cannot_be_had_is_refused_before_anything_starts(
    arguments: list[str], message: str, study_file: Path, tmp_path: Path
) -> None:
    result = bench(study_file, tmp_path / "out", *arguments)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_a_launcher_without_search_is_refused_by_tune(study_file: Path, tmp_path: Path) -> None:
    command = ["tune", "gcl_coreset", "--out", str(tmp_path / "out"), "--launcher", OUTSIDE]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "cannot run the trials of a tuning" in result.stderr
    able = ", ".join(name for name, cls in LAUNCHERS.items() if hasattr(cls, "search"))
    assert able.startswith("ray, local") and f"Able: {able}" in result.stderr and not (tmp_path / "out").exists()


def test_the_readme_shows_this_launcher() -> None:
    readme = Path("bench/launchers/README.md").read_text()
    example = readme.partition("```python\n")[2].partition("```")[0]
    assert "class ProcessPool" in example
    assert (Path(__file__).parent / "outside_launcher.py").read_text().endswith(f"\n{example}")
