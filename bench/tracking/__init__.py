"""Studies in MLflow. Only the driver talks to MLflow, so workers never compete for its store.

A study is an experiment with one parent run; each of its runs is a nested run. Everything tracked is read from run
folders, and only what the store lacks is sent, so tracking can stop and catch up at any later time.
"""

from bench.tracking.background import Background
from bench.tracking.content import VALUE_LIMIT, flatten, metrics_of
from bench.tracking.server import artifact_root, connect, experiment, is_server, runs_of, tracking_uri
from bench.tracking.tracker import PARENT, Tracker
from bench.tracking.trouble import reason, shown, without_secrets

__all__ = [
    "PARENT",
    "VALUE_LIMIT",
    "Background",
    "Tracker",
    "artifact_root",
    "connect",
    "experiment",
    "flatten",
    "is_server",
    "metrics_of",
    "reason",
    "runs_of",
    "shown",
    "tracking_uri",
    "without_secrets",
]
