"""Whatever YAML holds, it makes a study, a dataset, a recipe, a run or a tuning, or it is one clear error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alseg_core.config import RunConfig
from alseg_core.errors import AlsegError
from alseg_core.registry import construct
from alseg_core.visible import visible_lines
from alseg_core.yaml_reader import parse_yaml, read_yaml
from bench.study import DatasetFile, Study, catalogue, parse_setting
from bench.study.recipe_file import RecipeFields
from bench.tuning.spec import Tuning
from tests.bench.study.loading import TUNED, load_tuned, put
from tests.conftest import TINY

EXAMPLES = 50

STUDY = {"name": "q", "datasets": ["phantom"], "recipes": ["random"]}
DATASET = read_yaml(catalogue("dataset")["phantom"])
WORDS = ["", "all", "none", "auto", "run", "name", "random", "pixels", "scribble", "quick", "x.yaml", "a:b", "1", "\0"]
LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from([-1, 0, 1, 2, 10**20, -(10**30), 1.0, -0.5, 1e308, float("inf"), float("nan")])
    | st.sampled_from(WORDS)
    | st.text(max_size=4)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner),
    max_leaves=5,
)


def places(content: dict[str, Any], more: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """Places in a file, nested ones too, and words that are none."""

    def below(part: dict[str, Any], prefix: str) -> list[str]:
        nested = [place for key, value in part.items() if isinstance(value, dict) for place in below(value, f"{key}.")]
        return [f"{prefix}{place}" for place in [*part, *nested]]

    return st.sampled_from([*below(content, ""), *more]) | st.text(st.characters(exclude_characters="."), max_size=5)


def study(content: dict[str, Any]) -> None:
    made = Study.load(content)
    if len(made.seeds) < 3:
        made.runs()


def dataset(content: dict[str, Any]) -> None:
    file = DatasetFile("d.yaml", content, "quick")
    spec = {**file.spec(None), "root": None}
    RunConfig.load({**TINY, "dataset": spec})


def recipe(content: dict[str, Any]) -> None:
    construct(RecipeFields, content, "recipe")


def tuning(content: dict[str, Any]) -> None:
    if not isinstance(content.get("settings"), dict) or content["settings"].get("seeds", 1) == 1:
        load_tuned(content)


STUDY_FIELDS = (
    *Study.__dataclass_fields__,
    "train.scribble.lr",
    "train.scribble.network",
    "train.scribble.augment",
    "components.contrastive",
    "resources.cpus",
    "evaluate.metrics",
    "schedules.a",
)
KINDS: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, Any], tuple[str, ...]]] = {
    "study": (study, STUDY, STUDY_FIELDS),
    "dataset": (dataset, DATASET, ("reader.size", "splits.stratified.by", "presets.quick.evaluate", "fetch", "get")),
    "recipe": (recipe, {"name": "r", "strategy": "random"}, tuple(RecipeFields.__dataclass_fields__)),
    "run": (RunConfig.load, TINY, tuple(RunConfig.__dataclass_fields__)),
    "tuning": (tuning, TUNED, (*Tuning.__dataclass_fields__, "space.embed.lr.low", "space.strategy.start")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_value_anywhere_is_taken_or_refused(kind: str) -> None:
    load, base, more = KINDS[kind]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(places(base, more), VALUES)
    def check(place: str, value: Any) -> None:
        try:
            content = put(base, place, value)
        except (AttributeError, TypeError):  # the place is within a value that is no mapping
            return
        said = ""
        try:
            load(content)
        except AlsegError as error:
            said = str(error)
        assert said == visible_lines(said)

    check()


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=30) | st.text(st.sampled_from("[]{}&*!<>=?:-|'\"#%@ab01.\n\t ,"), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(AlsegError):
        parse_yaml(text, "text")
    with suppress(AlsegError):
        parse_setting(text)
    with suppress(AlsegError):
        Study.load(STUDY, [f"preset={text}"])


def test_any_bytes_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"

    @settings(max_examples=100, deadline=None, database=None)
    @given(st.binary(max_size=40))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        with suppress(AlsegError):
            read_yaml(path)

    check()
