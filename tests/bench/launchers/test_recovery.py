"""The whole command, killed and started again, and the same study on one worker and on several."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from alseg_core.embed.embedder import CPU_SECONDS
from bench.cli import main
from tests.bench.conftest import write_study
from tests.conftest import TINY

RECIPES = ["strided", "entropy", "gcl_coreset"]


def rounds(out: Path) -> dict[str, list[dict[str, object]]]:
    """Finished rounds of every run, without the time they took."""
    found = {}
    for path in sorted(out.glob("small/runs/*/rounds.jsonl")):
        found[path.parent.name] = [json.loads(line) for line in path.read_text().splitlines()]
        for line in found[path.parent.name]:
            for name in ("seconds", "cpu_seconds", "ended", "peak_mb", "files", "check"):
                del line[name]
            for name in ("encoder_seconds", CPU_SECONDS):
                line["signals"].pop(name, None)
    return found


def lines(out: Path) -> dict[Path, list[bytes]]:
    """The finished rounds as they are on disk."""
    found = {path: path.read_bytes() for path in sorted(out.glob("small/runs/*/rounds.jsonl"))}
    return {path: content[: content.rfind(b"\n") + 1].splitlines(keepends=True) for path, content in found.items()}


def holders(out: Path) -> list[int]:
    """Ids of the processes that are at a run."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            links = [os.readlink(link) for link in (entry / "fd").iterdir()] if entry.name.isdigit() else []
        except OSError:
            continue
        if any(link.startswith(f"{out}/small/runs/") and link.endswith("/lock") for link in links):
            found.add(int(entry.name))
    return sorted(found)


def on_disk(out: Path) -> str:
    """What a kill meets: rounds of each run, and files that are half made."""
    counts = "+".join(str(len(of)) for of in lines(out).values()) or "0"
    half = [path for pattern in ("*.building", "*.tmp") for path in out.rglob(pattern)]
    return f"{counts} rounds" + "".join(f", {path.relative_to(out)}" for path in half)


def recipes(study_file: Path, **settings: object) -> None:
    """Give the study recipes with and without networks and an encoder, whose runs take a while."""
    study = yaml.safe_load(study_file.read_text())
    study |= {
        "recipes": RECIPES,
        "components": {"contrastive": {"init": "random", "epochs": 1, "image_size": 16}},
        "train": {"scribble": {"iterations_full": 150}},
        **settings,
    }
    study_file.write_text(yaml.safe_dump(study))


def server(driver: int, name: str) -> int | None:
    """Id of one of Ray's servers that the driver has started."""
    for entry in Path("/proc").iterdir():
        try:
            told = (entry / "stat").read_text() if entry.name.isdigit() else ""
        except OSError:
            continue
        if f"({name})" in told and int(told.rpartition(")")[2].split()[1]) == driver:
            return int(entry.name)
    return None


def torment(
    command: list[str], out: Path, kills: int, workers: int, seed: int, victims_last: Sequence[str] = ("driver",)
) -> list[str]:
    """Start the command ``kills`` times and kill it at a random instant, and ``workers`` of its processes before that.

    Then let it end. No finished round may change. Returns a log. Every second kill waits for a further round, so that
    the study gets on; the others come while it starts, prepares its data, trains encoders or its first networks.

    victims_last: who is killed in each launch in turn, the driver or one of Ray's servers, without which it must end
    by itself with an error.
    """
    draw, log, seen = random.Random(seed), [], lines(out)

    def look() -> int:
        now = lines(out)
        for path, before in seen.items():
            assert now[path][: len(before)] == before, f"{path} has changed"
        seen.update(now)
        return sum(map(len, now.values()))

    for kill in range(kills):
        begun, before = time.monotonic(), look()
        target, told = victims_last[kill % len(victims_last)], out.with_name("stderr")
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told.open("w"))
        further, delay = kill % 2, draw.uniform(0, 0.5)
        victims = workers // kills + (kill < workers % kills)
        if not further and not victims:
            delay = draw.uniform(0.5, 10)
        while (further or victims) and driver.poll() is None and time.monotonic() - begun < 120:
            if victims and (there := holders(out)):
                time.sleep(draw.uniform(0, 0.5))
                victim = draw.choice(there)
                if victim in holders(out) and victim != driver.pid:
                    os.kill(victim, signal.SIGKILL)
                    victims -= 1
                    log.append(f"launch {kill + 1}, {time.monotonic() - begun:.2f} s: worker killed, {on_disk(out)}")
            if further and look() > before:
                further = 0
            time.sleep(0.02)
        try:
            driver.wait(delay)
        except subprocess.TimeoutExpired:
            met, at = on_disk(out), time.monotonic()
            if target == "driver" or (victim := server(driver.pid, target)) is None:
                target = "driver"
                driver.kill()
                driver.wait()
            else:
                os.kill(victim, signal.SIGKILL)
                status = driver.wait(90)
                assert "Traceback" not in told.read_text() and "***" not in told.read_text()
                assert (status, "error: Ray was lost" in told.read_text()) in ((2, True), (0, False)), told.read_text()
            ended = f"ended {time.monotonic() - at:.1f} s later"
            log.append(f"launch {kill + 1}, {at - begun:.2f} s: {target} killed, {met}; {ended}")
        else:
            log.append(f"launch {kill + 1}, {time.monotonic() - begun:.2f} s: ended before its kill")
    look()
    last = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert last.returncode == 0, last.stdout + last.stderr
    assert last.stderr == ""
    look()
    assert not list(out.rglob("*.building")) and not list(out.rglob("state_*.pt"))
    return [*log, f"last launch: ended, {on_disk(out)}"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Rounds of the study, run once on one worker without interruption."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study_file = write_study(folder, TINY)
    recipes(study_file)
    command = ["bench", str(study_file), "--local", "--out", str(folder / "out")]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = rounds(folder / "out")
    assert len(found) == len(RECIPES)
    return found


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_study_killed_again_and_again_ends_as_an_undisturbed_one(
    study_file: Path, tmp_path: Path, undisturbed: dict[str, list[dict[str, object]]]
) -> None:
    recipes(study_file)
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--local", "--out", str(out)]
    log = torment(command, out, kills=3, workers=0, seed=1)
    print("", *log, sep="\n")
    assert sum("driver killed" in line for line in log) == 3
    assert rounds(out) == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("victims", [("driver",), ("raylet", "gcs_server", "gcs_server", "raylet")], ids="-".join)
def test_processes_killed_at_random_instants(
    seed: int, victims: tuple[str, ...], study_file: Path, tmp_path: Path
) -> None:
    """Prints its log with ``-s``."""
    recipes(study_file, seeds=2, concurrency=2)
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)]
    log = torment(command, out, kills=6, workers=5, seed=seed, victims_last=victims)
    print("", *log, sep="\n")
    assert sum("worker killed" in line for line in log) >= 3
    for victim in victims:  # every second kill comes when all of Ray is there
        assert any(f" s: {victim} killed" in line for line in log), log

    alone = tmp_path / "alone"
    command = [*command[3:-1], str(alone), "--local"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert len(rounds(alone)) == 2 * len(RECIPES)
    assert _same_but_for_who_trained(rounds(out)) == _same_but_for_who_trained(rounds(alone))


def _same_but_for_who_trained(found: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """Which of several runs that share a training was first depends on the kills."""
    for run in found.values():
        for line in run:
            signals = line["signals"]
            assert isinstance(signals, dict)
            signals.pop("training", None)
    return found


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_killed_driver_continues_and_equals_one_worker(
    study_file: Path, tmp_path: Path, undisturbed: dict[str, list[dict[str, object]]]
) -> None:
    recipes(study_file)
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)]

    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
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
    for path, finished in times.items():
        assert path.read_text().splitlines()[: len(finished)] == finished  # no finished round was done again
    assert rounds(out) == undisturbed


@pytest.mark.timeout(480)
@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_a_signal_stops_a_study_and_says_how_to_go_on(name: str, study_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)]
    # a job in the background starts with SIGINT ignored
    driver = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 240
    while not rounds(out) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.send_signal(getattr(signal, name))
    told, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, told
    assert told.rstrip().endswith("stopped; the same command continues from the last finished rounds")
    assert "Traceback" not in told and "***" not in told
