"""What MLflow's UI shows of an experiment: its kind, a description and saved views.

A saved view is an experiment tag with the state of the page as deflated JSON, as written by "Save as new view". Only
the UI reads it: if a future version cannot, the view does not open, and nothing else is affected.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from alseg_core.metrics.curve import AUBC_DICE
from alseg_core.metrics.metric import DICE, HD95
from bench.tracking.links import CURVES, DIFFERENCES, TABLE, artifact, page

NOTE = "mlflow.note.content"
VIEW = "mlflow.sharedViewState."
SCORES = {
    f"metrics.`{DICE.name}`": 90,
    f"metrics.`{AUBC_DICE}`": 100,
    f"metrics.`{HD95.name}`": 100,
    "metrics.`annotation/cost`": 120,
}
RUNS = {"tags.`recipe`": 170, "tags.`seed`": 60, "tags.`dataset`": 100, "tags.`annotation`": 100, **SCORES}
"""Columns of the table of all runs, and their widths in pixels."""
MEANS = {**dict.fromkeys(SCORES, 150), "tags.`seed`": 60}
"""Columns of the table by recipe, with room for "(average)"."""


def study_tags(study: str, experiment: str, parent: str) -> dict[str, str]:
    """Return the tags of the experiment of a study. experiment, parent: ids of experiment and parent run in MLflow."""
    best = f"metrics.`{AUBC_DICE}`"
    recipes = "tags.recipe LIKE '%'"  # without the parent run, which would fold the others
    charts = [line(DICE.name), bar(AUBC_DICE), line(HD95.name), line("annotation/cover_radius")]
    headed = {"Against labelled slices, mean over seeds": charts}
    # MLflow would add charts of its own below a heading of its own
    tables = {"Settings that differ": [difference("Parameters")], "Scores": [difference("Model metrics")]}
    return experiment_tags(
        AUBC_DICE,
        _description(study, experiment, parent),
        {
            CURVES: view("Dice by recipe", recipes, best, MEANS, headed, grouped="recipe"),
            TABLE: view("All runs", recipes, best, RUNS),
            DIFFERENCES: view("Differences", recipes, best, RUNS, tables, shown="FIRST_10_RUNS"),
        },
    )


def _description(study: str, experiment: str, parent: str) -> str:
    """Return how to read the experiment of a study, in Markdown; the UI shows its first line, and more on a click."""
    return (
        f"Active learning study {study}: [learning curves]({page(experiment, CURVES)}), "
        f"[all runs]({page(experiment, TABLE)}), [what differs]({page(experiment, DIFFERENCES)}), "
        f"[report]({artifact(experiment, parent, 'report/report.html')})\n\n"
        "- One nested run per recipe, seed and setting. The step of every metric is the number of labelled slices.\n"
        f"- `{DICE.name}`: mean Dice of the test volumes, 0 to 1; tables show the last round. "
        f"`{AUBC_DICE}`: area under its curve.\n"
        f"- The report is an artifact of the run *{study}*.\n"
        "- Numbers are rounded; all digits are in the report's tables and in the run folders.\n"
    )


def experiment_tags(primary: str, description: str, views: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of an experiment. primary: its main metric. views: key -> :func:`view`."""
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": primary,
        NOTE: description,
        **{VIEW + key: packed for key, packed in views.items()},
    }


def view(
    name: str,
    search: str,
    best: str,
    columns: Mapping[str, int],
    charts: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    grouped: str | None = None,
    shown: str = "SHOW_ALL",
) -> str:
    """Return a saved view of the page of runs.

    Args:
        name: name in the menu "Views".
        search: filter of runs.
        best: column to sort by, highest first.
        columns: columns of the table in order, and their widths in pixels.
        charts: heading -> charts below it, from :func:`line`, :func:`bar`, :func:`parallel` and :func:`difference`;
            their own titles are the names of metrics.
        grouped: tag whose runs are averaged; None = every run on its own.
        shown: runs that charts show: "SHOW_ALL", or the first of the table, "FIRST_10_RUNS" or "FIRST_20_RUNS".
    """
    section = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False, "cardHeight": 360}
    keys = [{"mode": "tag", "groupByData": grouped}]
    state = {
        "searchFilter": search,
        "orderByKey": best,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": [*columns, "duration"],  # always shown; its place would be the first
        "columnWidths": dict(columns),
        "runsHiddenMode": shown,
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,  # otherwise the UI puts its own sections first
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": keys} if grouped else None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    if charts:
        state["compareRunCharts"] = [
            {**chart, "metricSectionId": heading} for heading, below in charts.items() for chart in below
        ]
        state["compareRunSections"] = [
            {**section, "uuid": heading, "name": heading, "columns": min(2, len(below))}
            for heading, below in charts.items()
        ]
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})


def line(metric: str) -> dict[str, Any]:
    """Return a chart of a metric over its steps."""
    return {
        **_chart("LINE", metric),
        "metricKey": metric,
        "selectedMetricKeys": [metric],
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


def bar(metric: str) -> dict[str, Any]:
    """Return a chart of the last values of a metric."""
    return {**_chart("BAR", metric), "metricKey": metric}


def parallel(params: Sequence[str], metric: str) -> dict[str, Any]:
    """Return a chart with an axis for each parameter and one for the last value of a metric."""
    chosen = {"selectedParams": list(params), "selectedMetrics": [metric], "showAllRuns": False}
    return {**_chart("PARALLEL", f"parallel {metric}"), **chosen}


def difference(group: str) -> dict[str, Any]:
    """Return a table of what is not the same in all runs, a column each. group: "Parameters" or "Model metrics"."""
    return {
        **_chart("DIFFERENCE", f"difference {group}"),
        "chartName": group,
        "compareGroups": [group],
        "showChangeFromBaseline": False,
        "showDifferencesOnly": True,
        "baselineColumnUuid": "",
    }


def _chart(kind: str, uuid: str) -> dict[str, Any]:
    return {"type": kind, "uuid": uuid, "deleted": False, "isGenerated": False}
