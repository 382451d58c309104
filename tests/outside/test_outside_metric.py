"""A metric from outside the package, from the study file to the report and MLflow."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from alseg_core.evaluate import Evaluation, _scored
from alseg_core.metrics import SCORERS
from alseg_core.metrics.metric import METRICS, Metric
from alseg_core.registry import component, describe
from alseg_core.results import RunFolder
from bench.cli import main
from tests.outside.volume_similarity import VolumeSimilarity

NAME = "tests.outside.volume_similarity:VolumeSimilarity"


def test_similarity_by_hand() -> None:
    a, b = np.zeros((2, 3, 4), bool), np.zeros((2, 3, 4), bool)
    a[0, 0, :3], b[1, 2, :1] = True, True
    assert VolumeSimilarity().score(a, b, (1.0, 1.0, 1.0)) == pytest.approx(1 - 2 / 4)
    assert math.isnan(VolumeSimilarity().score(a & b, a & b, (1.0, 1.0, 1.0)))


def test_runs_without_further_metrics_describe_themselves_as_before(tiny: dict[str, Any]) -> None:
    plain = RunConfig.load(tiny)
    assert plain.describe()["evaluate"] == {"part": "test", "surface": True, "nsd_tolerance_mm": 2.0}
    further = RunConfig.load({**tiny, "evaluate": {"metrics": NAME}})
    assert further.describe()["evaluate"]["metrics"] == [{"name": NAME}]
    assert further.fingerprint != plain.fingerprint
    assert RunConfig.load(further.describe()) == further


@component
class Named:
    """A scorer of a volume of nothing."""

    metric: ClassVar[Metric] = Metric("named", "named")

    def score(
        self, prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
    ) -> float:
        return math.inf


@pytest.mark.parametrize("name", ["dice", "hd95_mm", "dice_wall", "case", "cover_radius", "Upper", "a b", "empty_x"])
def test_a_name_that_is_taken_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Named, "metric", Metric(name, "x"))
    with pytest.raises(ConfigError, match="was wanted that is not in use"):
        Evaluation(metrics=(Named(),))


def test_an_infinite_score_is_refused() -> None:
    one = np.ones((1, 1, 1), bool)
    with pytest.raises(ConfigError, match="a finite number, or NaN if undefined, was wanted, got inf"):
        _scored(Named(), one, one, (1.0, 1.0, 1.0))


def test_a_registered_scorer_goes_by_its_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Named, "name", raising=False)
    SCORERS.add("named", Named)
    try:
        evaluation = Evaluation(metrics=(SCORERS.build("named"),))
        assert describe(evaluation)["metrics"] == [{"name": "named"}]
        assert list(evaluation.table) == [*METRICS, "named"]
    finally:
        del SCORERS["named"]


@pytest.mark.parametrize("where", [["--local"], pytest.param([], marks=pytest.mark.slow)], ids=["local", "ray"])
def test_a_study_with_an_outside_metric(where: list[str], study_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["bench", str(study_file), *where, "--out", str(out), "--set", f"evaluate.metrics={NAME}"]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output

    folders = sorted((out / "small" / "runs").iterdir())
    records = {folder.name: RunFolder(folder).records() for folder in folders}
    last = records[folders[0].name][-1]
    scores = [row["volume_similarity"] for row in last.volumes]
    assert scores and all(score is None or 0 <= float(str(score)) <= 1 for score in scores)
    by_case: dict[str, list[float]] = {}
    for row in last.volumes:
        if row["volume_similarity"] is not None:
            by_case.setdefault(str(row["case"]), []).append(float(str(row["volume_similarity"])))
    assert last.summary["volume_similarity"] == pytest.approx(np.mean([np.mean(values) for values in by_case.values()]))

    table = pd.read_csv(out / "small" / "report" / "comparison.csv")
    own = table[(table["metric"] == "volume_similarity") & (table["recipe"] == "random")]
    run = next(rounds for key, rounds in records.items() if "-random-" in key)
    assert own["mean"].tolist() == pytest.approx([record.summary["volume_similarity"] for record in run])
    order = list(dict.fromkeys(table["metric"]))
    assert order.index("nsd") + 1 == order.index("volume_similarity") == order.index("cover_radius") - 1

    page = (out / "small" / "report" / "report.html").read_text()
    assert '<th scope="col">volume similarity</th>' in page
    assert "volume similarity: agreement of the sizes alone; higher is better." in page

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{out / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id], "tags.recipe = 'random'")
    tracked = client.get_metric_history(runs[0].info.run_id, "volume_similarity")
    assert sorted(m.value for m in tracked) == pytest.approx(
        sorted(r.summary["volume_similarity"] for r in run), abs=5e-5
    )  # rounded

    # a report needs the folders alone, not the module
    script = "import sys; sys.modules['tests'] = None; from bench.cli import main; main()"
    command = [sys.executable, "-c", script, "report", str(out / "small"), "--out", str(tmp_path / "again")]
    subprocess.run(command, check=True, capture_output=True)
    assert pd.read_csv(tmp_path / "again" / "comparison.csv").equals(table)
