"""Query strategies: one paper, one file, an import and one line here."""

from __future__ import annotations

from alseg_core.registry import Registry
from alseg_core.strategies.bald import Bald
from alseg_core.strategies.coreset import Coreset
from alseg_core.strategies.entropy import Entropy
from alseg_core.strategies.oracle_foreground import OracleForeground
from alseg_core.strategies.random import Random
from alseg_core.strategies.stratified import Stratified
from alseg_core.strategies.strided import Strided
from alseg_core.strategies.view import ReferenceView, Strategy, View

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    {
        "random": Random,
        "strided": Strided,
        "stratified": Stratified,
        "entropy": Entropy,
        "bald": Bald,
        "coreset": Coreset,
        "oracle_foreground": OracleForeground,
    },
)

__all__ = ["STRATEGIES", "ReferenceView", "Strategy", "View"]
