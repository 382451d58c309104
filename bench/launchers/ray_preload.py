"""Imported by Ray's worker processes when they start, so that slow imports are done before the first run.

At the end it creates a file named after the process in the folder that ``bench.launchers.ray_here.READY`` names.
"""

import os
from pathlib import Path

import torch._dynamo  # noqa: F401  # imported by the first optimiser

import alseg_core.loop  # noqa: F401
from bench.launchers.ray_here import READY

if READY in os.environ:
    (Path(os.environ[READY]) / str(os.getpid())).touch()
