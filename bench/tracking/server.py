"""The MLflow store: its address, and a client that never waits for long."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alseg_core.errors import ResultsError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PAGE = 200
"""Runs per request; a thousand complete runs are megabytes."""
BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""MLflow settings unless the environment sets them: short timeouts, no output."""
QUIET = ("mlflow", "alembic", "git", "sqlalchemy", "sqlalchemy.engine", "urllib3")
"""Loggers that print tracebacks of what is raised as well, perhaps with an address and its password."""
SQLITE = "sqlite:///"


def tracking_uri(out: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or a SQLite file below ``out``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out.absolute() / 'mlflow.db'}"


def artifact_root(out: Path, uri: str) -> str | None:
    """Return the folder below ``out`` for artifacts of the store at ``uri``; None if a server decides that.

    By default, MLflow puts the artifacts of a database or folder store into the current directory.
    """
    return None if is_server(uri) else (out.absolute() / "mlartifacts").as_uri()


def is_server(uri: str) -> bool:
    """Return whether the store at ``uri`` is a server, rather than a database or a folder that this program opens."""
    return uri == "databricks" or urlsplit(uri).scheme in ("http", "https", "databricks")


def connect(out: Path) -> MlflowClient:
    """Return a client of the store. Raises what MLflow raises if it is unreachable, ResultsError if it is no file."""
    for name, value in BOUNDS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for logger in QUIET:
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    uri = tracking_uri(out)
    if uri.startswith(SQLITE) and (path := Path(uri.removeprefix(SQLITE))).exists() and not path.is_file():
        raise ResultsError(f"{path} is not a file; move it away")  # MLflow would try again for minutes
    return MlflowClient(tracking_uri=uri)


def experiment(client: MlflowClient, name: str, out: Path) -> Experiment:
    """Return the experiment of that name; create it if it does not exist, restore it if it was deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.get_experiment(
            client.create_experiment(name, artifact_location=artifact_root(out, client.tracking_uri))
        )
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found


def runs_of(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """Yield all runs of an experiment, page by page."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
