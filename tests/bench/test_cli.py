from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main


def alseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "quik"], "unknown study 'quik'. Did you mean 'quick'?"),
        (["bench", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["bench", "quick", "--set", "recipes=gcl_corset"], "Did you mean 'gcl_coreset'?"),
        (["bench", "quick", "--set", "seeds=0"], "at least one is needed"),
        (["bench", "quick", "--set", "datasets=acdc"], "Expected layout"),
        (["bench", "quick", "--set", "datasets=acdc", "--set", "data=/nowhere"], "Info.cfg"),
        (["bench", "quick", "--set", "schedules.a=[100000]"], "more than the"),
        (["bench", "quick", "--set", "device=cuda:99", "--local"], "cuda"),
        (["bench", "quick", "--set", "resources.gpus=99"], "--set resources.gpus="),
        (
            ["bench", "quick", "--set", "recipes=gcl_coreset", "--set", "components.contrastive.init=/nowhere/r18.pth"],
            "/nowhere/r18.pth",
        ),
        (["report", "/nowhere"], "study.json is missing"),
        (["run", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["data", "check", "phantm"], "Did you mean 'phantom'?"),
        (["data", "check", "acdc", "--data", "/nowhere"], "Info.cfg"),
    ],
)  # fmt: skip
def test_mistakes_are_one_clear_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    if arguments[0] in ("bench", "run"):
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    result = alseg(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and message in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("rounds.jsonl"))


def test_out_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = alseg("bench", "quick", "--out", str(tmp_path / "file"))
    assert result.exit_code == 2 and "cannot be written" in result.stderr and "--out" in result.stderr


@pytest.mark.parametrize("what", ["strategies", "recipes", "datasets", "studies"])
def test_list(what: str) -> None:
    known = {"strategies": "coreset", "recipes": "gcl_coreset", "datasets": "acdc", "studies": "paper"}
    result = alseg("list", what)
    assert result.exit_code == 0 and known[what] in result.output


def test_help_and_lists_need_no_heavy_package() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from bench.cli import main\n"
        "for a in (['--help'], *(['list', w] for w in ('strategies', 'recipes', 'datasets', 'studies'))):\n"
        "    assert CliRunner().invoke(main, a).exit_code == 0\n"
        "heavy = {'torch', 'ray', 'mlflow', 'pandas', 'matplotlib', 'monai'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_data_check_counts_what_is_there() -> None:
    result = alseg("data", "check", "phantom")
    assert result.exit_code == 0
    for part in ("48 cases of 24 patients", "spacing (mm): z ", "3 nodule in", "scribbles: 0 cases"):
        assert part in result.output
