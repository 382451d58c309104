"""The examples of the pages on metrics and reports, run as they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.config import RunConfig
from bench.report import write
from bench.report.figures import FIGURES
from tests.bench.report.study_files import runs, study

ROOT = Path(__file__).parent.parent.parent


def example(page: str) -> str:
    (first, *_) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return str(first)


def test_the_metric_of_its_page(tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_metrics.py").write_text(example("alseg_core/metrics/README.md"))
    monkeypatch.chdir(tmp_path)
    config = RunConfig.load({**tiny, "evaluate": {"metrics": "my_metrics:VolumeSimilarity"}})
    (scorer,) = config.evaluate.metrics
    half, whole = np.arange(8).reshape(2, 2, 2) < 4, np.ones((2, 2, 2), bool)
    assert scorer.score(half, whole, (1.0, 1.0, 1.0)) == pytest.approx(1 - 4 / 12)
    assert config.evaluate.table["volume_similarity"].legend.startswith("volume similarity: agreement of sizes")


def test_the_figure_of_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    exec(example("bench/report/README.md"), names)
    monkeypatch.setitem(FIGURES, "cost", names["COST"])
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 2))
    write(folder)
    assert (folder / "report" / "cost.png").exists()
    assert "What the labels of each budget cost." in (folder / "report" / "comparison.md").read_text()
