"""Active learning for 3D medical image segmentation: one experiment, on one device, without a cluster or a tracker.

The entry point is :func:`alseg_core.loop.run`; ``python -m alseg_core run.yaml`` runs one experiment from a file.
"""

__version__ = "0.1.0"
