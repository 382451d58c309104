"""Scores of predictions and uncertainties of probabilities: arrays in, numbers out."""

from __future__ import annotations

from alseg_core.metrics.metric import Scorer
from alseg_core.metrics.surface_area import AreaNSD
from alseg_core.registry import Registry

SCORERS: Registry[Scorer] = Registry("metric", {"nsd_area": AreaNSD}, Scorer)
"""Additional metrics by name; :data:`alseg_core.metrics.metric.METRICS` are always computed and are not listed here."""

__all__ = ["SCORERS", "Scorer"]
