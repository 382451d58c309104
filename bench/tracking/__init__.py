"""Studies in MLflow: the only door to it, and only the driver goes through it, so that trials never meet at the store.

A study is an experiment with one parent run; each of its runs is a nested run. What is tracked comes from run folders
alone, and only what the store does not have yet is sent, so tracking can stop and be made up for at any later time.
"""

from bench.tracking.background import Background
from bench.tracking.content import VALUE_LIMIT, flatten, metrics_of
from bench.tracking.server import artifact_root, connect, experiment, runs_of, tracking_uri
from bench.tracking.tracker import PARENT, Tracker

__all__ = [
    "PARENT",
    "VALUE_LIMIT",
    "Background",
    "Tracker",
    "artifact_root",
    "connect",
    "experiment",
    "flatten",
    "metrics_of",
    "runs_of",
    "tracking_uri",
]
