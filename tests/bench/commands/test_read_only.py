"""Commands whose folders cannot be written, or are not there: one line that says what to do, and exit code 2."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alseg_core.store import Store
from bench.cli import main
from tests.bench.report.study_files import runs, study


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A read-only file system with OUT, which holds a study and a store, and a contact sheet."""
    folder = tmp_path_factory.mktemp("ro")
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted")
    try:
        study(folder / "out" / "s", runs({"random": 0.5, "coreset": 0.6}, 1))
        for kind in ("training", "[red]kind"):
            Store(folder / "out" / "store").fetch(kind, {}, lambda entry: (entry / "x").write_text("x"))
        (folder / "sheet.png").touch()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def alseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


COMMANDS: dict[str, tuple[str, str]] = {
    "report": (
        "report {}/out/s",
        "{}/out/s/report cannot be written (Read-only file system); choose another with --out",
    ),
    "report elsewhere": ("report {}/out/s --out {}/new", "{}/new cannot be written (Read-only file system)"),
    "report of nothing": ("report {}/missing", "{}/missing: no results found"),
    "store clean": ("store clean --max-gb 0 --out {}/out", "cannot be deleted (Read-only file system)"),
    "no store to clean": ("store clean --out {}/missing", "no store in {}/missing"),
    "no store to show": ("store show --out {}/missing", "no store in {}/missing"),
    "fetch": ("data fetch chaos --to {}/data", "(Read-only file system); choose another folder with --to"),
    "sheet": ("data check phantom --sheet {}/new.png", "{}/new.png cannot be written (Read-only file system); choose"),
    "sheet in a new folder": ("data check phantom --sheet {}/a/b.png", "{}/a/b.png cannot be written"),
    "sheet that exists": ("data check phantom --sheet {}/sheet.png", "{}/sheet.png cannot be written"),
    "sheet that is a folder": ("data check phantom --sheet {}/out", "{}/out cannot be written"),
    "estimate": ("bench quick --local --estimate --out {}/out", "{}/out cannot be written"),
    "bench": ("bench quick --local --out {}/out", "{}/out/quick cannot be written"),
    "groups": ("data groups phantom --out {}/out", "{}/out cannot be written"),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_a_folder_that_cannot_be_used_is_one_line(read_only: Path, what: str) -> None:
    command, told = (text.replace("{}", str(read_only)) for text in COMMANDS[what])
    result = alseg(*command.split())
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert told in line and result.stderr.splitlines()[-1] == line


def test_what_only_reads_works_in_a_read_only_folder(read_only: Path, tmp_path: Path) -> None:
    out = str(read_only / "out")
    shown, would = (
        alseg("store", "show", "--out", out),
        alseg("store", "clean", "--dry-run", "--max-gb", "0", "--out", out),
    )
    assert shown.exit_code == would.exit_code == 0
    assert "[red]kind" in shown.output and "would delete 2 of 2 entries" in would.output
    written = alseg("report", f"{out}/s", "--out", str(tmp_path / "report"))
    assert written.exit_code == 0 and (tmp_path / "report" / "report.html").exists()
