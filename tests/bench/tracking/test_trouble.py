"""A store that is damaged, full or elsewhere: one line that says what to do, and never a password."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from bench.launchers.study_run import _whereabouts
from bench.study.job import Job
from bench.tracking import Background, Tracker
from bench.tracking.trouble import reason, shown
from tests.bench.tracking.test_tracking import empty_store, job, make, only, steps

__all__ = ["empty_store", "job"]  # fixtures
DISK_MB = 4
ADDRESSES = {
    "http://host:5000": "http://host:5000",
    "http://user:s3cret@host:5000/path": "http://user:***@host:5000/path",
    "https://s3cret@host": "https://***@host",
    "http://user:s3/cr?e@t@host": "http://user:***@host",
    "https://s3cret:@host": "https://***@host",
    "http://host/?token=s3cret&a=s3cret": "http://host/?token=***&a=***",
    "postgresql+psycopg2://user:s3cret@host/db?sslpassword=s3cret": "postgresql+psycopg2://user:***@host/db?sslpassword=***",
    "http://user:s3cret@host/of@domain": "http://user:***@host/of@domain",
    "http://host:5000/of@domain": "http://host:5000/of@domain",
    "http://[::1]:5000/of@domain": "http://[::1]:5000/of@domain",
    "http://host/;token=s3cret": "http://host/;token=***",
    "http://host/a;password=s3/cret;x=s3cret?b=s3cret;c#token=s3cret": "http://host/a;password=***;x=***?b=***#token=***",
    "http://host?token=a@s3cret": "http://host?token=***",
    "sqlite:////out/mlflow.db": "sqlite:////out/mlflow.db",
    "sqlite:////home/user@domain/a;b=c/mlflow.db": "sqlite:////home/user@domain/a;b=c/mlflow.db",
    "file:///home/user@domain/runs": "file:///home/user@domain/runs",
    "/home/user@domain/runs": "/home/user@domain/runs",
    "databricks://profile": "databricks://profile",
    "databricks": "databricks",
}


@pytest.mark.parametrize("uri", ADDRESSES)
def test_an_address_is_shown_without_secrets(uri: str) -> None:
    assert shown(uri) == ADDRESSES[uri]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://u:s3cret@h", "API request to http://u:s3cret@h/api failed"),
        ("http://u:s3cret@h", "Max retries exceeded, url: http://other:s3cret-2@h/"),
        ("http://u:s%33cret@h", "login of u with s3cret failed"),
        ("http://h/?token=s3cret", "exceeded with url: /?token=s3cret/api"),
        ("http://h/;token=s3cret", "exceeded with url: /;token=s3cret and s3cret"),
        ("http://h", "401: wrong password t0psecret for u"),
        ("http://h", "Bearer t0ken"),
        ("mysql://u:s3cret@h/db", '(1045, "Access denied: mysql://u:s3cret@h/db")'),
    ],
)
def test_a_reason_holds_no_secret(uri: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "t0psecret")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    told = reason(MlflowException(f"{message}\nand more"), uri)
    assert told.startswith("MlflowException: ") and "***" in told and "more" not in told
    assert not any(secret in told for secret in ("s3cret", "t0psecret", "t0ken"))


def test_a_reason_names_the_file_of_a_store_whose_path_has_an_at_sign() -> None:
    uri = "sqlite:////home/user@domain/mlflow.db"
    told = reason(MlflowException(f"cannot open {uri} in /home/user@domain"), uri)
    assert told == f"MlflowException: cannot open {uri} in /home/user@domain"


@pytest.mark.parametrize("uri", ["http://user:s3cret@127.0.0.1:9/?token=s3cret", "http://user:s3cret@127.0.0.1:port"])
def test_the_password_of_a_server_that_is_down_is_on_no_line_and_in_no_file(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    trouble = Background(Tracker("study", tmp_path), [job]).finish(tmp_path / "report", 60)
    lines = [*_whereabouts(tmp_path, tmp_path, trouble), *_whereabouts(tmp_path, tmp_path, None)]
    assert f"1 of 1 runs not tracked in {shown(uri)}: " in str(trouble) and f"MLflow: {shown(uri)}" in lines
    assert not any("s3cret" in text for text in (*lines, *capfd.readouterr()))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(b"s3cret" in path.read_bytes() for path in files)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096::3] = bytes(255 - byte for byte in content[4096::3])
    path.write_bytes(content)


def statement(text: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(text)
        connection.close()

    return run


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "something else": (lambda path: path.write_bytes(os.urandom(50_000)), "(file is not a database)"),
    "a text": (lambda path: path.write_text("hello " * 1000), "(file is not a database)"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size // 3), "(database disk image is malformed)"),
    "cut off early": (lambda path: os.truncate(path, 1000), "(database disk image is malformed)"),
    "pages that are wrong": (flipped, "(database disk image is malformed)"),
    "another version": (statement("UPDATE alembic_version SET version_num = 'x'"), "(out-of-date database schema)"),
    "a table that is gone": (statement("DROP TABLE runs"), "(no such "),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_store_says_what_to_do_and_then_gets_all_runs_again(
    job: Job, tmp_path: Path, what: str, capfd: pytest.CaptureFixture[str], empty_store: Path
) -> None:
    damage, told = DAMAGE[what]
    make(tmp_path, "k2", 3)
    done = Job("k2", job.raw, tmp_path / "study" / "runs" / "k2", 3)
    damage(tmp_path / "mlflow.db")
    trouble = Background(Tracker("study", tmp_path), [done]).finish(tmp_path / "report", 60)
    assert trouble is not None and told in trouble and "\n" not in trouble
    assert "move it away, and all runs are sent again" in trouble and capfd.readouterr() == ("", "")
    if what == "something else":  # making up for it is the same for all
        (tmp_path / "mlflow.db").rename(tmp_path / "away")
        shutil.copyfile(empty_store, tmp_path / "mlflow.db")  # as MLflow makes it, in less time
        anew = tmp_path / "study" / ".."  # MLflow keeps a file open by its name until the process ends
        assert Background(Tracker("study", anew), [done]).finish(tmp_path / "report", 60) is None
        client, _, run = only(anew)
        assert steps(client, run) == [10, 20, 30]


def test_a_folder_in_place_of_the_store_is_told_at_once(job: Job, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").unlink()
    (tmp_path / "mlflow.db").mkdir()
    trouble = Background(Tracker("study", tmp_path), [job]).finish(tmp_path / "report", 60)
    assert trouble is not None and "mlflow.db is not a file; move it away" in trouble


def test_a_full_disk_is_one_line_and_no_traceback(
    small_disk: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(empty_store, small_disk / "mlflow.db")
    jobs = [make(small_disk, f"k{number}", 3) for number in range(2)]
    with (small_disk / "filler").open("wb", buffering=0) as file:
        with suppress(OSError):
            while file.write(bytes(4096)):
                pass
        file.truncate(file.tell() - 20_000)
    trouble = Background(Tracker("study", small_disk), jobs).finish(small_disk / "report", 60)
    assert trouble is not None and "2 of 2 runs not tracked" in trouble and "\n" not in trouble
    assert "database or disk is full" in trouble and capfd.readouterr() == ("", "")
