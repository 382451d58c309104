"""Showing and cleaning the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from alseg_core.store import Store
from bench.commands.store import store as command

DAY = 86400


def fill(size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / "data").write_bytes(bytes(size))


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, Path]:
    """Four entries of 100 kB, last used 4, 3, 2 and 1 days ago, not in the order in which they were made."""
    made = {}
    for name, kind, days in (("c", "training", 2), ("a", "encoder", 4), ("d", "prepared", 1), ("b", "training", 3)):
        made[name] = Store(tmp_path / "store").fetch(kind, {"name": name}, fill(100_000))
        then = time.time() - days * DAY
        os.utime(made[name] / "key.json", (then, then))
    return made


def alseg(*arguments: str, out: Path) -> Result:
    return CliRunner().invoke(command, [*arguments, "--out", str(out)], catch_exceptions=False)


def there(entries: dict[str, Path]) -> str:
    return "".join(name for name in sorted(entries) if entries[name].exists())


def test_show_adds_up_by_kind(entries: dict[str, Path], tmp_path: Path) -> None:
    shown = alseg("show", out=tmp_path)
    assert shown.exit_code == 0
    rows = [line.split("│") for line in shown.output.splitlines()]
    facts = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if len(row) == 5}
    assert facts["training"][0] == "2" and facts["encoder"][0] == "1" and facts["prepared"][0] == "1"
    assert facts["training"][1].startswith("200") and facts["training"][1].endswith("kB")
    assert facts["training"][2][:10] == time.strftime("%Y-%m-%d", time.localtime(time.time() - 3 * DAY))
    assert "left behind" not in shown.output


@pytest.mark.parametrize(
    ("options", "stay"),
    [
        (["--older-than", "2.5"], "cd"),
        (["--max-gb", "0.00025"], "cd"),
        (["--max-gb", "0.00025", "--older-than", "1.5"], "d"),
        (["--max-gb", "0"], ""),
        (["--max-gb", "1"], "abcd"),
        ([], "abcd"),
    ],
)
def test_what_was_not_used_for_longest_goes_first(
    options: list[str], stay: str, entries: dict[str, Path], tmp_path: Path
) -> None:
    tried = alseg("clean", *options, "--dry-run", out=tmp_path)
    assert there(entries) == "abcd" and f"would delete {4 - len(stay)} of 4 entries" in tried.output
    done = alseg("clean", *options, out=tmp_path)
    assert done.exit_code == 0 and there(entries) == stay
    assert f"deleted {4 - len(stay)} of 4 entries" in done.output
    assert done.output.replace("deleted", "would delete") == tried.output


def test_a_use_makes_an_entry_young(entries: dict[str, Path], tmp_path: Path) -> None:
    Store(tmp_path / "store").fetch("encoder", {"name": "a"}, lambda folder: pytest.fail("made again"))
    alseg("clean", "--older-than", "0.5", out=tmp_path)
    assert there(entries) == "a"


def test_what_is_used_stays_and_others_make_room(entries: dict[str, Path], tmp_path: Path) -> None:
    user = Store(tmp_path / "store")
    user.fetch("encoder", {"name": "a"}, lambda folder: pytest.fail("made again"))
    then = time.time() - 9 * DAY
    os.utime(entries["a"] / "key.json", (then, then))
    done = alseg("clean", "--max-gb", "0.00025", out=tmp_path)
    assert there(entries) == "ad" and "kept, in use: encoder/" in done.output
    del user
    alseg("clean", "--max-gb", "0.00015", out=tmp_path)
    assert there(entries) == "d"


def test_leftovers_are_shown_and_deleted_and_what_is_made_is_not(entries: dict[str, Path], tmp_path: Path) -> None:
    kind = tmp_path / "store" / "encoder"
    for name in ("dead.building", "live.building", "old.gone"):
        (kind / name).mkdir()
        (kind / name / "data").write_bytes(bytes(50_000))
    (kind / "orphan.lock").touch()
    with FileLock(kind / "live.lock"):
        shown = alseg("show", out=tmp_path)
        assert "left behind by processes that were killed: 3, 100.0 kB" in shown.output
        done = alseg("clean", out=tmp_path)
    assert "deleted 0 of 4 entries" in done.output and there(entries) == "abcd"
    left = {path.name for path in kind.iterdir()} - {path.name for path in entries.values()}
    assert left == {"live.building", "live.lock", entries["a"].name + ".lock"}


def test_no_store_is_one_clear_error(tmp_path: Path) -> None:
    done = alseg("show", out=tmp_path)
    assert done.exit_code == 2 and f"error: no store in {tmp_path}" in done.output


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
@pytest.mark.parametrize("option", ["--max-gb", "--older-than"])
def test_an_amount_that_is_no_number_is_refused(option: str, number: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    result = CliRunner().invoke(command, ["clean", option, number, "--out", str(tmp_path)])
    assert result.exit_code == 2 and f"Invalid value for '{option}'" in result.stderr
