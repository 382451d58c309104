"""Imported by worker processes when they start: what every run needs and what takes long to load.

The last thing is a file named after the process in the folder that :data:`bench.launchers.ray_cluster.READY` names.
"""

import os
from pathlib import Path

import torch._dynamo  # noqa: F401  # asked for by the first optimiser

import alseg_core.loop  # noqa: F401
from bench.launchers.ray_cluster import READY

if READY in os.environ:
    (Path(os.environ[READY]) / str(os.getpid())).touch()
