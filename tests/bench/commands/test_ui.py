from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.tracking import connect, experiment
from bench.tracking.links import CURVES, page

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("uri", "told"),
    [("", "no mlflow.db in missing; run a study first"), ("http://u:secret@host", "names a server")],
)
def test_the_ui_of_nothing_is_one_line(uri: str, told: str) -> None:
    assert shutil.which("make")
    done = subprocess.run(
        ["make", "--old-file=.venv/.installed", "ui", "OUT=missing"],
        cwd=ROOT,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and told in done.stderr and "secret" not in done.stderr


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of two studies, "first" and "second"."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = connect(tmp_path)
    for name in ("first", "second"):
        experiment(client, name, tmp_path)
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_is_taken_is_one_line(out: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["ui", "--out", str(out), "--port", str(port)])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert f"port {port} cannot be used" in result.stderr and f"--port {port + 1} --out {out}" in result.stderr


def test_a_damaged_store_is_one_line(out: Path) -> None:
    (out / "mlflow.db").write_text("hello " * 1000)
    result = CliRunner().invoke(main, ["ui", "--out", str(out / ".." / out.name), "--port", str(free_port())])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "the file is damaged" in result.stderr


@pytest.mark.slow
def test_the_ui_prints_links_and_then_answers_on_this_machine_alone(out: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "bench.cli", "ui", "--out", str(out), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(3)]
        assert {line.split(":")[0].strip() for line in told[1:]} == {"first", "second"}
        assert f"http://127.0.0.1:{port}/{page('1', CURVES)}\n" in "".join(told)
        for _ in range(120):
            try:
                answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                break
            except OSError:
                time.sleep(1)
        assert b"MLflow" in answer
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[0]
    assert rest == "stopped\n" and process.returncode == 130  # no line per request, no traceback
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
