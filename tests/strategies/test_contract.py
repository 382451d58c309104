"""Every registered strategy passes the conformance suite."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from alseg_core.signals import ReferenceSignals, Signals
from alseg_core.strategies import STRATEGIES, ReferenceView, Strategy, View
from alseg_core.strategies.conformance import CHECKS, Check
from alseg_core.strategies.synthetic_view import SyntheticReferenceView, SyntheticView

SMALL: dict[str, dict[str, Any]] = {
    "core_gcn": {"epochs": 3},
    "vaal": {"epochs": 1, "size": 8},
    "cscs": {"epochs": 1, "size": 16},
}
"""Settings of the strategies that train networks, so that the suite takes seconds."""

VARIANTS: dict[str, dict[str, Any]] = {
    "entropy": {"aggregate": "foreground"},
    "least_confidence": {"source": "dropout", "passes": 4},
    "margin": {"sampling": "softmax", "beta": 30},
    "variance_ratio": {"sampling": "softrank"},
    "bald": {"sampling": "power", "source": "auto"},
    "stochastic_batches": {"score": {"name": "bald", "passes": 4}},
    "uncertain_coreset": {"score": "margin", "factor": 2},
    "oracle_foreground": {"rho": 1},
    "entropy tta": {"name": "entropy", "source": "tta"},
    "bald tta": {"name": "bald", "source": "tta", "passes": 3},
    "one_vs_rest": {"classes": "sum", "share": 0.1},
    "predicted_foreground": {"rho": 1},
    "selective_uncertainty": {"source": "tta", "target": 0.5, "boundary": 0.5},
    "sugfw": {"score": {"name": "bald", "source": "dropout", "passes": 4}},
    "facility_location_target": {"targets": ["case0:0", "case1:0"]},
    "spread": {"of": "coreset", "gap": 3, "per_volume": 1, "per_patient": 1},
    "spread of a reference": {"name": "spread", "of": {"name": "spread", "of": "oracle_greedy"}},
}
"""Further settings that lead to other branches."""


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_conforms(name: str, check: Check) -> None:
    check(STRATEGIES.build({"name": name, **SMALL.get(name, {})}))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_conforms_with_other_settings(name: str, check: Check) -> None:
    check(STRATEGIES.build({"name": name} | VARIANTS[name]))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_references_are_named_so(name: str) -> None:
    assert STRATEGIES.build(name).reads_ground_truth == name.startswith("oracle_")


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_names_its_source(name: str) -> None:
    cls: Any = STRATEGIES[name]
    assert cls.paper, f"{name}: paper = '...' names the paper, or says that it is a reference."


@pytest.mark.parametrize(
    ("protocol", "real", "synthetic"),
    [(View, Signals, SyntheticView), (ReferenceView, ReferenceSignals, SyntheticReferenceView)],
)
def test_the_synthetic_view_offers_what_a_run_offers(protocol: type, real: type, synthetic: type) -> None:
    methods = [name for name, member in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")]
    assert {"images", "embedding", "bought", "member_probabilities"} <= set(methods)
    for name in methods:
        signatures = [list(inspect.signature(getattr(cls, name)).parameters) for cls in (protocol, real, synthetic)]
        assert signatures[0] == signatures[1] == signatures[2], name
    assert issubclass(synthetic, SyntheticView) and not hasattr(SyntheticView, "ground_truth")


def test_an_undefined_select_says_so() -> None:
    with pytest.raises(TypeError, match="does not define select"):
        Strategy().select(SyntheticView.make(), 1, np.random.default_rng(0))
