"""What MLflow's UI shows of a tuning."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from bench.tracking.links import CURVES, TABLE, artifact, page
from bench.tracking.views import NOTE, VIEW
from bench.tuning.trial_views import MEAN, SCORE, tuning_tags


def state(tag: str) -> dict[str, Any]:
    packed = json.loads(tag)["state"].removeprefix("deflate;")
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


def test_a_tuning_shows_scores_and_settings_and_links_to_both_views() -> None:
    tags = tuning_tags("tune-x", "4", "run", ["embed.lr used", "embed.lr"])
    assert all(page("4", key) in tags[NOTE] for key in (CURVES, TABLE))
    assert artifact("4", "run", "report/tuning.md") in tags[NOTE]
    charts, table = state(tags[VIEW + CURVES]), state(tags[VIEW + TABLE])
    assert [section["columns"] for section in charts["compareRunSections"]] == [2, 1]
    assert {chart["metricSectionId"] for chart in charts["compareRunCharts"]} == {
        section["uuid"] for section in charts["compareRunSections"]
    }
    assert charts["runsHiddenMode"] == "SHOW_ALL" and not any(
        "runsCountToCompare" in c for c in charts["compareRunCharts"]
    )
    kinds = [(chart["type"], chart.get("metricKey")) for chart in charts["compareRunCharts"]]
    assert kinds == [("BAR", SCORE), ("BAR", MEAN), ("PARALLEL", None)]
    assert table["orderByKey"] == f"metrics.`{SCORE}`" and "params.`embed.lr`" in table["selectedColumns"]
    assert "params.`embed.lr used`" not in table["selectedColumns"] and "compareRunCharts" not in table
