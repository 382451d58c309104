from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.study import catalogue


def alseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "quik"], "unknown study 'quik'. Did you mean 'quick'?"),
        (["bench", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["bench", "quick", "--set", "schedules.low=[10,", "--set", "20]"], "got '20]' after 'schedules.low=[10,'"),
        (["bench", "quick", "--set", "seeds 3"], "write it without: SET="),
        (["bench", "quick", "--set", "recipes=gcl_corset"], "Did you mean 'gcl_coreset'?"),
        (["bench", "quick", "--set", "seeds=0"], "a number of seeds of at least 1 was wanted, got 0"),
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
        (["list", "recipes", "gcl_corset"], "Did you mean 'gcl_coreset'?"),
        (["list", "studies", "quik"], "unknown study 'quik'. Did you mean 'quick'?"),
        (["data", "check", "phantm"], "Did you mean 'phantom'?"),
        (["data", "check", "acdc", "--data", "/nowhere"], "Info.cfg"),
    ],
)
def test_mistakes_are_one_clear_message(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # whose data/ has no scans
    if arguments[0] in ("bench", "run"):
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    result = alseg(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and message in result.stderr and "Traceback" not in result.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name in ("rounds.jsonl", "quick")]


def test_out_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = alseg("bench", "quick", "--out", str(tmp_path / "file" / "below"))
    assert result.exit_code == 2 and "cannot be written" in result.stderr and "--out" in result.stderr


@pytest.mark.parametrize("what", ["strategies", "recipes", "datasets", "studies"])
def test_list(what: str) -> None:
    known = {"strategies": "coreset", "recipes": "gcl_coreset", "datasets": "acdc", "studies": "paper"}
    result = alseg("list", what)
    assert result.exit_code == 0 and known[what] in result.output


def test_recipes_are_listed_by_family_and_whole_lines_are_piped() -> None:
    lines = alseg("list", "recipes").output.splitlines()
    heads = {line for line in lines if not line.startswith(" ")}
    assert [head.partition(":")[0] for head in lines if head in heads] == [
        "The paper and its ablation",
        "Coverage",
        "Uncertainty",
        "Uncertainty and coverage",
        "References",
    ]
    family: dict[str, set[str]] = {}
    for line in lines:
        if line in heads:
            names = family.setdefault(line.partition(":")[0], set())
        else:
            names.add(line.split()[0])
    listed = sorted(name for names in family.values() for name in names)
    assert listed == sorted(catalogue("recipe"))
    assert {"gcl_coreset", "ntxent_coreset", "gcl_ablation_v"} <= family["The paper and its ablation"]
    assert {"coreset_task", "typiclust", "vaal", "pixel_fusion"} <= family["Coverage"]
    assert {"entropy", "bald_power", "variance_ratio"} <= family["Uncertainty"]
    both = {"badge", "stochastic_batches", "clasp_pe", "uncertain_coreset", "entropy_spread", "sugfw"}
    assert family["Uncertainty and coverage"] == both
    assert {"random", "random_3d", "oracle_greedy", "oracle_foreground"} <= family["References"]
    assert max(len(line) for line in lines) > 80


@pytest.mark.parametrize("what", ["strategies", "recipes", "datasets", "studies", "launchers"])
def test_a_terminal_shows_one_line_for_each_entry(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that do not fit end in an ellipsis; nothing is folded."""
    piped = alseg("list", what).output.splitlines()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in alseg("list", what).output.splitlines()]
    assert [line.split()[0] for line in lines] == [line.split()[0] for line in piped]
    assert max(map(len, lines)) <= 80
    assert what == "datasets" or any(line.endswith("…") for line in lines)  # their titles are short


def test_one_recipe_and_one_strategy_in_full() -> None:
    told = alseg("list", "recipes", "stochastic_batches").output
    heading, default = "strategy: {name: stochastic_batches", "  score.aggregate: default mean"
    for part in ("stochastic_batches.yaml", heading, "Gaillochet", default):
        assert part in told
    learned = alseg("list", "recipes", "gcl_coreset").output
    assert "strategy coreset (Sener" in learned and "  start: default random" in learned
    assert "embedder contrastive (Vepa" in learned and "  w_ntxent: default 1 (number" in learned
    assert ":class:" not in learned
    assert "aggregate: default mean" in alseg("list", "strategies", "entropy").output
    assert "recipes: [random, strided" in alseg("list", "studies", "quick").output


def test_help_and_lists_need_no_heavy_package() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from bench.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "assert not {'numpy', 'pydantic', 'rich'} & set(sys.modules)\n"
        "for a in (['--help'], *(['list', w] for w in ('strategies', 'recipes', 'datasets', 'studies', 'launchers')),\n"
        "          ['list', 'recipes', 'bald']):\n"
        "    assert CliRunner().invoke(main, a).exit_code == 0\n"
        "heavy = {'torch', 'ray', 'mlflow', 'pandas', 'matplotlib', 'monai'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_data_check_counts_what_is_there() -> None:
    result = alseg("data", "check", "phantom")
    assert result.exit_code == 0
    for part in ("96 cases of 48 patients", "spacing (mm): z ", "3 nodule in", "scribbles: 0 cases"):
        assert part in result.output
