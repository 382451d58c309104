"""Where the store is, and how to speak with it without waiting for ever."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PAGE = 200
"""Runs asked for at once: a thousand whole runs are megabytes."""
BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Settings of MLflow that hold unless the user's environment says otherwise: short waits, nothing printed."""


def tracking_uri(out: Path) -> str:
    """MLFLOW_TRACKING_URI, or a SQLite file below ``out``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out.absolute() / 'mlflow.db'}"


def artifact_root(out: Path) -> str | None:
    """Folder below ``out`` for the files of runs; None where a server decides that.

    Left to itself, a store that is a database or a folder would put them into the folder the user is in.
    """
    uri = tracking_uri(out)
    served = uri == "databricks" or urlsplit(uri).scheme in ("http", "https", "databricks")
    return None if served else (out.absolute() / "mlartifacts").as_uri()


def connect(out: Path) -> MlflowClient:
    """A client of the store. Raises whatever MLflow raises when it is not there."""
    for name, value in BOUNDS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for logger in ("mlflow", "alembic", "git"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=tracking_uri(out))


def experiment(client: MlflowClient, name: str, out: Path) -> Experiment:
    """The experiment of that name: made where there is none, brought back where it was deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.get_experiment(client.create_experiment(name, artifact_location=artifact_root(out)))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found


def runs_of(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """All runs of an experiment, page by page."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
