from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from bench.tracking import connect, experiment
from bench.tracking.links import CURVES, TABLE, command, newest, page, where
from bench.tracking.views import VIEW, study_tags


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder "my runs" in an empty current directory."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my runs").mkdir()
    return tmp_path / "my runs"


def test_links_open_views_that_the_experiment_has_the_curves_as_charts() -> None:
    tags = study_tags("s", "7", "r")
    for key, mode in ((CURVES, ["CHART"]), (TABLE, None)):
        path, _, query = page("7", key).partition("?")
        asked = parse_qs(query)
        assert path == "#/experiments/7/runs" and VIEW + asked["viewStateShareKey"][0] in tags
        assert asked.get("compareRunsMode") == mode and asked["workflowType"] == ["machine_learning"]


def test_the_command_is_one_that_can_be_typed_here(out: Path) -> None:
    assert command(out) == "alseg ui --out 'my runs'" and command(out.parent / "runs") == "alseg ui"
    Path("Makefile").write_text("ui:\n\talseg ui\n")
    assert command(out) == "make ui OUT='my runs'" and command(out.parent / "runs") == "make ui"
    assert command(Path("/elsewhere")) == "make ui OUT=/elsewhere"


def test_a_study_is_found_by_its_link_and_the_newest_comes_first(out: Path) -> None:
    client = connect(out)
    first = experiment(client, "first", out)
    experiment(client, "second", out)
    assert [found.name for found in newest(out)] == ["second", "first"]
    told, link = where(out, "first")
    assert told == "MLflow: alseg ui --out 'my runs'"
    assert link.strip() == f"http://127.0.0.1:5000/{page(first.experiment_id, CURVES)}"
    assert where(out, "another") == [told]


@pytest.mark.parametrize("uri", ["http://user:s3cret@127.0.0.1:9", "databricks"])
def test_a_server_is_named_without_password_and_without_a_command(
    out: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert where(out, "first") == [f"MLflow: {uri.replace('s3cret', '***')}"]
