"""The registry of query strategies; the package's face fills it, and strategies that hold another one read it."""

from __future__ import annotations

from alseg_core.registry import Registry
from alseg_core.strategies.view import Strategy

STRATEGIES: Registry[Strategy] = Registry("strategy", {}, Strategy)
