"""``alseg list fields``, and entries of the user's own in ``alseg list``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bench.cli import main
from bench.commands.field_topics import Topic, topics
from bench.study import Study


def alseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_fields_of_a_study_are_what_set_takes() -> None:
    lines = alseg("list", "fields", "study").output.splitlines()
    assert (
        "  resources.cpus: default 1 (integer, 1 to 4096). CPU cores of one run; it computes with as many threads."
        in (lines)
    )
    assert any(line.startswith("  datasets: must be given (list of strings).") for line in lines)
    assert "--set" in lines[1]


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("trainer", "train.scribble.batch", 3),
        ("train", "train.scribble.augment.degrees", 5.0),
        ("augment", "train.scribble.augment.degrees", 5.0),
        ("unet_dual", "train.scribble.network.aux_dropout", 0.25),
        ("dmpls", "train.scribble.loss.weight", 0.25),
        ("evaluate", "evaluate.surface", False),
        ("resources", "resources.cpus", 2),
        ("contrastive", "components.contrastive.views.flip", 0.25),
        ("entropy", "components.entropy.aggregate", "sum"),
    ],
)
def test_a_listed_key_is_taken_by_set(name: str, key: str, value: object) -> None:
    assert f"  {key.replace('scribble', 'KIND')}: default " in alseg("list", "fields", name).output
    raw = {"name": "q", "datasets": ["phantom"], "recipes": ["entropy", "gcl_coreset"]}
    changed = Study.load(raw, [f"{key}={yaml.safe_dump(value)}"]).runs()
    assert {run.key for run in changed} != {run.key for run in Study.load(raw).runs()}


def test_a_name_of_several_kinds_lists_each() -> None:
    output = alseg("list", "fields", "stratified").output
    assert "strategy stratified: " in output and "split stratified: " in output
    assert "It has no fields." in output and "splits.NAME.by: default pathology" in output


def test_fields_alone_list_what_can_be_asked_for() -> None:
    output = alseg("list", "fields").output
    for part in ("\n  trainer ", "\n  study ", "network: unet, unet_dual", "annotation: mask, scribble"):
        assert part in output


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    result = alseg("list", "fields", "trainr")
    assert result.exit_code == 2 and "Did you mean 'trainer'?" in result.stderr


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: f"{topic.kind} {topic.name}")
def test_every_topic_is_shown(topic: Topic) -> None:
    result = alseg("list", "fields", topic.name)
    assert result.exit_code == 0 and len(topic.fields()) <= len(result.output.splitlines())


OWN = '''
from alseg_core.data.readers.phantom import Phantom
from alseg_core.registry import component
from alseg_core.strategies.random import Random

@component
class Mine(Random):
    """Slices by my own rule."""

    depth: int = 3
    """How deep to look."""

@component
class Files(Phantom):
    """Files of my own."""

    suffix: str = ".bin"
    """Ending of names."""
'''


def test_a_component_of_ones_own_is_listed_by_module_and_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "listed_parts.py").write_text(OWN)
    (tmp_path / "mine.yaml").write_text("{name: mine, strategy: 'listed_parts:Mine'}\n")
    monkeypatch.syspath_prepend(tmp_path)
    listed = alseg("list", "fields", "listed_parts:Mine").output
    assert "  components.listed_parts:Mine.depth: default 3 (integer). How deep to look." in listed
    shown = alseg("list", "recipes", str(tmp_path / "mine.yaml")).output
    assert "strategy listed_parts:Mine" in shown and "  depth: default 3 (integer). How deep to look." in shown
    listed = alseg("list", "fields", "listed_parts:Files").output
    assert "reader listed_parts:Files" in listed
    assert "Set in a dataset file." in listed and "  reader.suffix: default .bin (string). Ending of names." in listed
    raw = {"name": "q", "datasets": ["phantom"], "recipes": [str(tmp_path / "mine.yaml")]}
    (run,) = Study.load(raw, ["components.listed_parts:Mine.depth=4"]).runs()
    assert run.recipe.strategy.depth == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("strategy", ["entropy", {"name": "entropy", "aggregate": "sum"}])
def test_a_recipe_of_ones_own_is_shown_with_its_strategy(strategy: object, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", "strategy": strategy}))
    result = alseg("list", "recipes", str(tmp_path / "mine.yaml"))
    assert result.exit_code == 0
    assert "name: mine" in result.output and "aggregate: default mean" in result.output


OWN_RECIPE = """
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View

@component
class {name}(Strategy):
    def select(self, view, budget, rng):
        ...
"""


def test_a_strategy_that_says_nothing_about_itself_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring and source; the recipe lies in the current folder and may be named without its ending."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("terse_parts.py").write_text(OWN_RECIPE.format(name="Terse"))
    Path("terse.yaml").write_text("{name: terse, strategy: 'terse_parts:Terse', embed: pixels}\n")
    for name in ("terse.yaml", "terse"):
        result = alseg("list", "recipes", name)
        assert result.exit_code == 0, result.output
        assert "\nstrategy terse_parts:Terse\n" in result.output and "\nembedder pixels (" in result.output


def test_a_recipe_without_strategy_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    result = alseg("list", "recipes", str(tmp_path / "mine.yaml"))
    assert result.exit_code == 2 and "field 'strategy' is missing" in result.stderr
    result = alseg("list", "recipes", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2 and "none.yaml cannot be read" in result.stderr
