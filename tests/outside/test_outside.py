"""Parts of a module outside the package: named ``module:Class`` wherever a component is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from alseg_core.config import RunConfig
from alseg_core.data.readers import READERS
from alseg_core.data.splits import SPLITS
from alseg_core.embed import EMBEDDERS
from alseg_core.errors import ConfigError
from alseg_core.loop import run
from alseg_core.losses import LOSSES
from alseg_core.models import NETWORKS
from alseg_core.oracles import ORACLES
from alseg_core.registry import Registry, describe
from alseg_core.results import RunFolder
from alseg_core.store import Store
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.conformance import CHECKS
from bench.study import Study

STRATEGY, EMBEDDER = "my_parts:Brightest", "my_parts:Moments"
BOXES, CLASSIFIER = "my_parts:Boxes", "my_parts:PixelClassifier"
BRIGHTEST = {"name": "brightest", "strategy": {"name": STRATEGY, "most": 2}}
MOMENTS = {"name": "moments", "strategy": "coreset", "embed": {"name": EMBEDDER, "highest": 3}}

MISTAKES = """
from dataclasses import dataclass
from alseg_core.registry import component
from alseg_core.strategies import Strategy
from alseg_core.strategies.random import Random

ALSO = Random
NOT_A_CLASS = 3

class Plain(Strategy):
    def select(self, view, budget, rng): ...

@dataclass(frozen=True)
class OnlyADataclass(Strategy):
    def select(self, view, budget, rng): ...

@component
class Parent(Strategy):
    def select(self, view, budget, rng): ...

class Undecorated(Parent):
    pass

@component
class NoStrategy:
    def select(self, view, budget, rng): ...

@component
class Called(Strategy):
    name: str = "x"

Alias = Parent
"""


def test_a_name_with_a_module_is_built_described_and_built_again(beside: Path) -> None:
    strategy = STRATEGIES.build({"name": STRATEGY, "most": 2})
    assert describe(strategy) == {"name": STRATEGY, "most": 2}
    assert STRATEGIES.build(describe(strategy)) == strategy
    assert STRATEGIES.resolve(STRATEGY) is type(strategy) and STRATEGY not in STRATEGIES
    assert describe(EMBEDDERS.build(EMBEDDER)) == {"name": EMBEDDER, "highest": 2}
    with pytest.raises(ConfigError, match=f"strategy '{STRATEGY}': unknown field 'mots'. Did you mean 'most'"):
        STRATEGIES.build({"name": STRATEGY, "mots": 2})


def test_a_component_built_in_python_goes_by_its_module_and_class(beside: Path) -> None:
    from tests.outside.my_parts import Brightest

    assert describe(STRATEGIES.build(Brightest())) == {"name": "tests.outside.my_parts:Brightest", "most": 3}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_strategy_from_outside_passes_the_conformance_suite(check: Any, beside: Path) -> None:
    check(STRATEGIES.build(STRATEGY))


@pytest.mark.parametrize("recipe", [BRIGHTEST, MOMENTS], ids=lambda recipe: recipe["name"])
def test_a_recipe_with_parts_from_outside_runs_in_the_core(
    recipe: dict[str, Any], beside: Path, tiny: dict[str, Any]
) -> None:
    config = RunConfig.load({**tiny, "recipe": recipe})
    assert RunConfig.load(json.loads(json.dumps(config.describe()))).fingerprint == config.fingerprint
    run(config, beside / config.key, Store(beside / "store"))
    records = RunFolder(beside / config.key).records()
    assert [len(record.selected) for record in records] == [3, 3, 2]


def test_a_fingerprint_tells_parts_from_outside_and_their_settings_apart(beside: Path, tiny: dict[str, Any]) -> None:
    recipes = [
        {"name": "mine", "strategy": spec} for spec in ("random", "strided", STRATEGY, {"name": STRATEGY, "most": 2})
    ]
    assert len({RunConfig.load({**tiny, "recipe": recipe}).fingerprint for recipe in recipes}) == 4


def test_names_with_a_colon_do_not_reach_paths(beside: Path, tiny: dict[str, Any]) -> None:
    (beside / "labels.py").write_text(
        "from alseg_core.oracles.mask import Mask\n"
        "from alseg_core.registry import component\n"
        "@component\nclass Boxes(Mask):\n    '''Masks, called boxes.'''\n"
    )
    config = RunConfig.load({**tiny, "annotation": "labels:Boxes", "recipe": BRIGHTEST})
    assert config.annotation_name == "labels:Boxes"
    assert config.key == f"tiny-brightest-labels.Boxes-default-s0-{config.fingerprint[:8]}"


@pytest.mark.slow
def test_a_study_on_ray_with_parts_from_the_directory_of_the_command(beside: Path, study_file: Path) -> None:
    for recipe in (BRIGHTEST, MOMENTS):
        (beside / f"{recipe['name']}.yaml").write_text(yaml.safe_dump(recipe))
    study = yaml.safe_load(study_file.read_text())
    study["recipes"] = ["random", "entropy", "brightest.yaml", "moments.yaml"]
    study["components"] = {EMBEDDER: {"highest": 4}}
    study["annotations"] = [BOXES]
    study["train"] = {BOXES: {"name": CLASSIFIER}}
    shutil.copy(Path(__file__).parent / "volume_similarity.py", beside)
    study["evaluate"] = {"metrics": ["volume_similarity:VolumeSimilarity"]}
    study_file.write_text(yaml.safe_dump(study))
    configs = Study.find(str(study_file)).runs()
    assert len(configs) == 4

    alseg = shutil.which("alseg", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert alseg is not None  # the console script, for which the current directory is not on the path
    done = subprocess.run([alseg, "bench", str(study_file), "--out", "out"], cwd=beside, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = beside / "out" / study["name"]
    shared = []
    for config in configs:
        records = RunFolder(folder / "runs" / config.key).records()
        assert len(records) == 3, RunFolder(folder / "runs" / config.key).failure()
        assert all("volume_similarity" in record.summary for record in records)
        if config.recipe.name in ("random", "entropy"):  # they start with the same slices
            shared.append(str(records[0].signals["training"]))
        if config.recipe.name == "moments":
            written = json.loads((folder / "runs" / config.key / "config.json").read_text())["config"]
            assert written["recipe"]["embed"] == {"name": EMBEDDER, "highest": 4}
    assert sorted(shared) == ["own", "shared"]

    report = [alseg, "report", str(Path("out") / study["name"])]
    again = subprocess.run(report, cwd=beside, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert all(word in again.stdout for word in ("brightest", "entropy", BOXES)), again.stdout
    listed = subprocess.run([alseg, "list", "recipes", "brightest.yaml"], cwd=beside, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    assert f"strategy {STRATEGY} (none)" in listed.stdout and "most: default 3" in listed.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_parts.py:Brightest", "without '.py' or slashes|no module 'my_parts.py'"),
        ("my_parts/x:Brightest", "is named module:Class, for example"),
        ("my_parts:", "is named module:Class, for example"),
        ("no_parts:Brightest", r"no module 'no_parts' on the import path or in .*PYTHONPATH"),
        ("my_parts:Brigthest", "unknown class .Brigthest.. Did you mean 'Brightest'"),
        ("mistakes:NOT_A_CLASS", "a class was wanted, got int"),
        ("mistakes:Plain", "not a component; put @component"),
        ("mistakes:OnlyADataclass", "not a component; put @component"),
        ("mistakes:Undecorated", "not a component; put @component"),
        ("mistakes:NoStrategy", r"class NoStrategy must extend alseg_core.strategies.view.Strategy"),
        ("mistakes:Called", "'name' is the component's own name"),
        ("mistakes:Alias", "goes by the name 'mistakes:Parent'; use that name"),
        ("mistakes:ALSO", "goes by the name 'random'; use that name"),
        ("broken:Mine", "importing broken failed: ZeroDivisionError: division by zero"),
        ("needy:Mine", "importing needy failed: ModuleNotFoundError: No module named 'surely_absent'"),
    ],
)
def test_a_mistake_in_the_name_or_the_module_is_one_clear_error(name: str, message: str, beside: Path) -> None:
    (beside / "mistakes.py").write_text(MISTAKES)
    (beside / "broken.py").write_text("1 / 0\n")
    (beside / "needy.py").write_text("import surely_absent\n")
    with pytest.raises(ConfigError, match=message) as caught:
        STRATEGIES.build(name)
    assert str(caught.value).startswith(f"strategy {name!r}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("registry", "lacks"),
    [
        (EMBEDDERS, "check, embed of alseg_core.embed.embedder.Embedder"),
        (LOSSES, "__call__, heads of alseg_core.losses.Loss"),
        (NETWORKS, "build, divisor, heads, start, volumetric of alseg_core.models.Network"),
        (ORACLES, "annotate, check, cites, fill, origin, training of alseg_core.oracles.Oracle"),
        (READERS, "labels, layout, licence, load, scan, source of alseg_core.data.readers.reader.Reader"),
        (SPLITS, "assign of alseg_core.data.splits.Splitter"),
    ],
    ids=lambda value: getattr(value, "kind", "members"),
)
def test_a_class_of_another_room_lacks_the_members_of_this_one(
    registry: Registry[Any], lacks: str, beside: Path
) -> None:
    with pytest.raises(ConfigError, match=f"class Brightest lacks {lacks}"):
        registry.build(STRATEGY)


def test_a_class_with_the_members_of_the_room_is_built_in_each(beside: Path) -> None:
    for registry, parent in (
        (EMBEDDERS, "alseg_core.embed.pixels:Pixels"),
        (LOSSES, "alseg_core.losses.dice:CrossEntropyDice"),
        (NETWORKS, "alseg_core.models.unet:UNet"),
        (ORACLES, "alseg_core.oracles.scribble:Scribble"),
        (READERS, "alseg_core.data.readers.phantom:Phantom"),
        (SPLITS, "alseg_core.data.splits:Stratified"),
    ):
        module, _, cls = parent.partition(":")
        name = f"mine_{cls.lower()}"
        (beside / f"{name}.py").write_text(
            f"from {module} import {cls}\nfrom alseg_core.registry import component\n"
            f"@component\nclass Mine({cls}): ...\n"
        )
        assert describe(registry.build(f"{name}:Mine"))["name"] == f"{name}:Mine"
        assert "name" in vars(registry[next(iter(registry))])  # its parent keeps its own


def test_the_names_in_a_study_are_checked_outside_too(beside: Path, study_file: Path) -> None:
    for settings, message in (
        (["components.my_parts:Mine={most: 1}"], "unknown class .Mine.*Known: .*Brightest"),
        ([f"annotations={STRATEGY}"], "class Brightest lacks annotate"),
        (["train.no_parts:Boxes={batch: 2}"], "no module 'no_parts'"),
    ):
        with pytest.raises(ConfigError, match=message):
            Study.find(str(study_file), settings).runs()
