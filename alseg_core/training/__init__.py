"""Training of models on annotated slices, and the predictions of trained ones."""

from __future__ import annotations

from alseg_core.registry import Registry
from alseg_core.training.network_trainer import NetworkTrainer
from alseg_core.training.trainer import RANDOM, Trainer

TRAINERS: Registry[Trainer] = Registry("trainer", {"network": NetworkTrainer}, Trainer, default="network")
"""Trainers by name; settings without a name are those of ``network``."""

__all__ = ["RANDOM", "TRAINERS", "NetworkTrainer", "Trainer"]
