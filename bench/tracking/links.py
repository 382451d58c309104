"""Addresses of pages of MLflow's UI, and what to type to see them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from bench.study.typeable import has_make
from bench.tracking.server import connect, is_server, tracking_uri
from bench.tracking.trouble import shown

if TYPE_CHECKING:
    from mlflow.entities import Experiment

CURVES, TABLE, DIFFERENCES = "alseg-curves", "alseg-table", "alseg-differences"
"""Keys of the views of an experiment: charts, a table of all runs, and what differs between runs."""
TRAINING = "machine_learning"
"""Mode of the UI that shows runs and their metrics; the other one is about language models."""
HOST, PORT = "127.0.0.1", 5000
"""Where the UI listens, unless another port is asked for."""
OLD = "Default"
"""Experiment that MLflow creates in every store; alseg puts nothing into it."""


def page(experiment: str, view: str) -> str:
    """Return the address of a view below the UI's own, such as ``#/experiments/1/runs?...``.

    A view cannot say that it shows charts, or that the UI is to show runs at all; only the address can.
    """
    mode = {} if view == TABLE else {"compareRunsMode": "CHART"}
    query = urlencode({"viewStateShareKey": view, **mode, "workflowType": TRAINING})
    return f"#/experiments/{experiment}/runs?{query}"


def artifact(experiment: str, run: str, path: str) -> str:
    """Return the address of a run's artifact below the UI's own."""
    return f"#/experiments/{experiment}/runs/{run}/artifacts/{path}?workflowType={TRAINING}"


def newest(out: Path) -> list[Experiment]:
    """Return the experiments of the store of ``out``, the last created one first."""
    found = connect(out).search_experiments(order_by=["creation_time DESC"])
    return [experiment for experiment in found if experiment.name != OLD]


def where(out: Path, study: str) -> list[str]:
    """Return the lines that say how to see a study or tuning in MLflow: the command, if one is needed, and the link.

    out: folder of all results. study: name of the experiment. Raises nothing: without an answer there is no link.
    """
    uri = tracking_uri(out)
    served = is_server(uri)
    lines = [f"MLflow: {shown(uri) if served else command(out)}"]
    try:
        found = connect(out).get_experiment_by_name(study)
    except Exception:  # whatever a store raises: the study is finished
        return lines
    home = _without_account(uri) if served else f"http://{HOST}:{PORT}"
    return [*lines, f"        {home}/{page(found.experiment_id, CURVES)}"] if found and home else lines


def command(out: Path) -> str:
    """Return the command that starts the UI over the store of ``out``, as it can be typed in the current directory."""
    makes = has_make()
    if out.absolute() == Path.cwd() / "runs":
        place = ""
    else:
        typed = shlex.quote(str(out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out))
        place = f" OUT={typed}" if makes else f" --out {typed}"
    return f"make ui{place}" if makes else f"alseg ui{place}"


def _without_account(uri: str) -> str | None:
    """Return a server's address without user and password; None for Databricks, whose pages have other addresses."""
    scheme, place, path, _, _ = urlsplit(uri)
    return (
        urlunsplit((scheme, place.rpartition("@")[2], path.rstrip("/"), "", "")) if scheme.startswith("http") else None
    )
