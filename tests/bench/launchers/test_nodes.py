"""A study on a cluster whose machines are lost, and others join, while it runs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bench.cli import main

RECIPES = ["random", "strided", "entropy"]
SEEDS = 2
BOUND = 240.0


def rounds(out: Path) -> dict[str, list[str]]:
    """Lines of the finished rounds of every run."""
    return {path.parent.name: path.read_text().splitlines() for path in out.glob("small/runs/*/rounds.jsonl")}


def results(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Finished rounds without what differs from one computation to the next."""
    found = {key: [json.loads(line) for line in lines] for key, lines in rounds(out).items()}
    apart = ("seconds", "cpu_seconds", "ended", "peak_mb", "signals", "files", "check", "made_by")
    return {key: [{k: v for k, v in line.items() if k not in apart} for line in lines] for key, lines in found.items()}


def kill(node: Any) -> None:
    """End a machine at once: its Ray and all workers, with no chance to say anything."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent(pid) == raylet]
    for pid in (raylet, *children):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_for(done: int, out: Path, driver: subprocess.Popen[str]) -> None:
    """Wait until ``done`` rounds of the study are finished."""
    end = time.monotonic() + BOUND
    while sum(map(len, rounds(out).values())) < done and driver.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head on which no run fits."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield nodes
    nodes.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(2 * BOUND)
def test_a_study_outlives_its_machines(study_file: Path, tmp_path: Path, cluster: Any) -> None:
    study = yaml.safe_load(study_file.read_text())
    study |= {"recipes": RECIPES, "seeds": SEEDS, "retries": 0, "train": {"scribble": {"iterations_full": 150}}}
    study_file.write_text(yaml.safe_dump(study))
    first, second = (cluster.add_node(num_cpus=1) for _ in range(2))
    out, instant = tmp_path / "out", random.Random(0)
    driver = subprocess.Popen(
        [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)],
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    kept: dict[str, list[str]] = {}
    try:
        for lost, done in ((first, 2), (second, 6)):
            wait_for(done, out, driver)
            time.sleep(instant.uniform(0, 1))
            kill(lost)
            for key, lines in rounds(out).items():
                assert lines[: len(kept.get(key, []))] == kept.get(key, [])
                kept[key] = lines
        assert driver.poll() is None  # there was something left to do, and nobody left to do it
        cluster.add_node(num_cpus=1)
        told, _ = driver.communicate(timeout=BOUND)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode == 0, told
    assert "trying again" in told and "failed" not in told, told
    after = rounds(out)
    for key, lines in kept.items():
        assert after[key][: len(lines)] == lines  # no finished round was done again

    alone = tmp_path / "alone"
    result = CliRunner().invoke(main, ["bench", str(study_file), "--local", "--out", str(alone)])
    assert result.exit_code == 0, result.output
    assert len(after) == len(RECIPES) * SEEDS and all(len(lines) == 3 for lines in after.values())
    assert results(out) == results(alone)


@pytest.mark.slow
@pytest.mark.timeout(2 * BOUND)
def test_a_study_whose_cluster_is_lost_ends_with_an_error_and_goes_on_later(
    study_file: Path, tmp_path: Path, cluster: Any
) -> None:
    cluster.add_node(num_cpus=1)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)]
    driver = subprocess.Popen(
        [*command, "--set", "train.scribble.iterations_full=1000"],
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(1, out, driver)
        kill(cluster.head_node)
        begun = time.monotonic()
        told, _ = driver.communicate(timeout=BOUND)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode == 2 and "Traceback" not in told, told
    assert "error: Ray was lost while the study was running; its node on this machine does not answer" in told, told
    assert time.monotonic() - begun < 60
    before = rounds(out)
    assert sum(map(len, before.values())) >= 1
    again = CliRunner().invoke(main, [*command[3:], "--local", "--set", "train.scribble.iterations_full=1000"])
    assert again.exit_code == 0, again.output
    for key, lines in before.items():
        assert rounds(out)[key][: len(lines)] == lines
