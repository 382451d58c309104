"""Start page of a study's experiment in MLflow's UI: its kind, a description and two saved views.

A saved view is an experiment tag with the state of the page as deflated JSON, as written by "Save as new view". Only
the UI reads it: if a future version cannot, the view does not open, and nothing else is affected.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from alseg_core.metrics.curve import AUBC_DICE
from alseg_core.metrics.metric import DICE, HD95

NOTE = "mlflow.note.content"
VIEW = "mlflow.sharedViewState."
CURVES, TABLE = "alseg-curves", "alseg-table"
CHARTS = (DICE.name, AUBC_DICE, HD95.name, "annotation/cover_radius")
COLUMNS = [
    "tags.`recipe`",
    "tags.`seed`",
    "tags.`dataset`",
    "tags.`annotation`",
    f"metrics.`{DICE.name}`",
    f"metrics.`{AUBC_DICE}`",
    f"metrics.`{HD95.name}`",
    "metrics.`annotation/cost`",
    "attributes.`Dataset`",
]


def experiment_tags(study: str) -> dict[str, str]:
    """Return the tags of the experiment of the study of this name."""
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": AUBC_DICE,
        NOTE: description(study),
        VIEW + CURVES: _view("Dice by recipe", _curves()),
        VIEW + TABLE: _view("All runs", _table()),
    }


def description(study: str) -> str:
    """Return a description of how to read the experiment, in Markdown."""
    return (
        f"Study **{study}**: active learning, one nested run per recipe, seed and setting.\n\n"
        "- The step of every metric is the number of labelled slices.\n"
        "- *Views > Dice by recipe*: learning curves, mean over seeds. *Views > All runs*: one row per run.\n"
        "- `dice`: mean Dice of the test volumes, 0 to 1; tables show the last round. "
        f"`{AUBC_DICE}`: area under its curve.\n"
        f"- The run *{study}* holds the study's report under Artifacts: open `report/report.html`.\n"
    )


def _view(name: str, state: dict[str, Any]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})


def _page(**state: Any) -> dict[str, Any]:
    """Return the state of the page of runs; its search excludes the parent run, which would fold the others."""
    return {
        "searchFilter": "tags.recipe LIKE '%'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": COLUMNS,
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,  # otherwise the UI puts its own sections first
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        **state,
    }


def _curves() -> dict[str, Any]:
    section = {"uuid": "scores", "name": "Scores", "display": True, "isReordered": False, "deleted": False}
    return _page(
        groupBy={"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "recipe"}]},
        compareRunCharts=[_chart(metric) for metric in CHARTS],
        compareRunSections=[{**section, "isGenerated": False}],
    )


def _chart(metric: str) -> dict[str, Any]:
    common = {
        "uuid": metric,
        "metricSectionId": "scores",
        "deleted": False,
        "isGenerated": False,
        "displayName": metric,
        "metricKey": metric,
        "runsCountToCompare": 20,
    }
    if metric == AUBC_DICE:
        return {**common, "type": "BAR"}
    return {
        **common,
        "type": "LINE",
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _table() -> dict[str, Any]:
    return _page(orderByKey=f"metrics.`{AUBC_DICE}`", runsHiddenMode="SHOW_ALL")
