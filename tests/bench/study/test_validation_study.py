"""Studies that pay for the validation labels they use, as tracking and reports show them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from alseg_core import loop
from alseg_core.results import RunFolder
from alseg_core.store import Store
from bench.report.analysis import analyse
from bench.report.document import document
from bench.report.figures.total_cost import draw
from bench.report.markdown import markdown
from bench.report.runs.results import Results, collect
from bench.study import Study
from bench.tracking.content import metrics_of
from tests.bench.conftest import write_study

SHORT = ["recipes=random", "seeds=2", "train.scribble.iterations_full=20", "schedules.short=[3, 6]"]


def run(folder: Path, tiny: dict[str, Any], validation: str) -> Results:
    """Run the tiny study with a number of validation labels."""
    study = Study.find(str(write_study(folder, tiny)), [*SHORT, f"validation={validation}"])
    for config in study.runs():
        loop.run(config, folder / "runs" / config.key, Store(folder / "store"))
    return collect(folder / "runs")


def test_a_study_without_validation_labels(tmp_path: Path, tiny: dict[str, Any]) -> None:
    results = run(tmp_path, tiny, "none")
    assert not results.problems and not results.failed
    analysis = analyse(results)
    page = markdown(document(results, analysis, []))
    assert "No validation labels were read" in page and "validation labels: none" in page
    folder = next(iter(results.folders.values()))
    assert all("validation_dice" not in metrics_of(record) for record in RunFolder(folder).records())
    assert draw(results, analysis, ("tiny", "scribble", "short")) == "no validation labels were read"


def test_a_study_with_a_few_validation_labels(tmp_path: Path, tiny: dict[str, Any]) -> None:
    results = run(tmp_path, tiny, "5")
    analysis = analyse(results)
    assert analysis.cells["validation"].tolist() == [5, 5]
    page = markdown(document(results, analysis, []))
    # 6 scribbles at the last budget, each a fifteenth of a mask
    assert "full masks of 5 validation slices" in page and "12.5 times the 0.4 of the pool's labels" in page
    figure = draw(results, analysis, ("tiny", "scribble", "short"))
    assert not isinstance(figure, str)
    (axis,) = figure.axes
    assert axis.get_xlim()[0] == 0
    shown = [np.asarray(line.get_xdata(), dtype=float) for line in axis.lines]
    minutes = analysis.cells["minutes"] + analysis.cells["validation_minutes"]
    assert analysis.cells["validation_minutes"].min() > 0
    assert any(len(x) == 2 and x == pytest.approx(minutes.tolist(), rel=0.005) for x in shown)
    plt.close(figure)
    old = dataclasses.replace(analysis, cells=analysis.cells.assign(minutes=math.nan))
    figure = draw(results, old, ("tiny", "scribble", "short"))
    assert not isinstance(figure, str)
    shown = [np.asarray(line.get_xdata(), dtype=float) for line in figure.axes[0].lines]
    assert any(len(x) == 2 and x == pytest.approx([5.2, 5.4], rel=0.005) for x in shown)  # 5 masks and the scribbles
    plt.close(figure)
