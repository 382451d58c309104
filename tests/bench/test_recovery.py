"""The whole command, killed and started again, and the same study on one worker and on several."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench.cli import main

RECIPES = ["strided", "entropy", "gcl_coreset"]


def rounds(out: Path) -> dict[str, list[dict[str, object]]]:
    """Finished rounds of every run, without the time they took."""
    found = {}
    for path in sorted(out.glob("small/runs/*/rounds.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.parent.name] = [{k: v for k, v in line.items() if k not in ("seconds", "peak_mb")} for line in lines]
    return found


@pytest.mark.timeout(240)
def test_killed_driver_continues_and_equals_one_worker(study_file: Path, tmp_path: Path) -> None:
    study = yaml.safe_load(study_file.read_text())
    study |= {
        "recipes": RECIPES,
        "components": {"contrastive": {"init": "random", "epochs": 1, "image_size": 16}},
        "train": {"scribble": {"iterations_full": 150}},
    }
    study_file.write_text(yaml.safe_dump(study))
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)]

    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not rounds(out) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    before = rounds(out)
    assert before and sum(map(len, before.values())) < 3 * len(RECIPES)
    times = {path: path.read_text().splitlines() for path in out.glob("small/runs/*/rounds.jsonl")}

    again = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stderr == ""
    for path, lines in times.items():
        assert path.read_text().splitlines()[: len(lines)] == lines  # no finished round was done again

    alone = tmp_path / "alone"
    result = CliRunner().invoke(
        main, ["bench", str(study_file), "--local", "--out", str(alone)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert len(rounds(alone)) == len(RECIPES)
    assert rounds(out) == rounds(alone)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_stops_a_study_and_says_how_to_go_on(name: str, study_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)]
    # a job in the background starts with SIGINT ignored
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not rounds(out) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.send_signal(getattr(signal, name))
    told, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, told
    assert told.rstrip().endswith("stopped; the same command goes on from the last finished rounds")
    assert "Traceback" not in told and "***" not in told
