"""Query strategies: one file per paper, registered here by an import and a line."""

from __future__ import annotations

from alseg_core.strategies.alps import Alps
from alseg_core.strategies.badge import Badge
from alseg_core.strategies.bald import Bald
from alseg_core.strategies.clasp_pe import ClaspPE
from alseg_core.strategies.core_gcn import CoreGCN
from alseg_core.strategies.coreset import Coreset
from alseg_core.strategies.cscs import Cscs
from alseg_core.strategies.entropy import Entropy
from alseg_core.strategies.facility_location_target import FacilityLocationTarget
from alseg_core.strategies.known import STRATEGIES
from alseg_core.strategies.least_confidence import LeastConfidence
from alseg_core.strategies.margin import Margin
from alseg_core.strategies.one_vs_rest import OneVsRest
from alseg_core.strategies.oracle_foreground import ForegroundReference
from alseg_core.strategies.oracle_greedy import GreedyReference
from alseg_core.strategies.pixel_fusion import PixelFusion
from alseg_core.strategies.predicted_foreground import PredictedForeground
from alseg_core.strategies.prob_cover import ProbCover
from alseg_core.strategies.random import Random
from alseg_core.strategies.random_volumes import RandomVolumes
from alseg_core.strategies.selective_uncertainty import SelectiveUncertainty
from alseg_core.strategies.spread import Spread
from alseg_core.strategies.stochastic_batches import StochasticBatches
from alseg_core.strategies.stratified import Stratified
from alseg_core.strategies.strided import Strided
from alseg_core.strategies.sugfw import Sugfw
from alseg_core.strategies.typiclust import TypiClust
from alseg_core.strategies.uncertain_coreset import UncertainCoreset
from alseg_core.strategies.vaal import Vaal
from alseg_core.strategies.variance_ratio import VarianceRatio
from alseg_core.strategies.view import ReferenceView, Strategy, View
from alseg_core.strategies.whole_volumes import WholeVolumes

_REGISTERED: dict[str, type[Strategy]] = {
    "random": Random,
    "strided": Strided,
    "stratified": Stratified,
    "random_volumes": RandomVolumes,
    "whole_volumes": WholeVolumes,
    "entropy": Entropy,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "variance_ratio": VarianceRatio,
    "bald": Bald,
    "selective_uncertainty": SelectiveUncertainty,
    "one_vs_rest": OneVsRest,
    "clasp_pe": ClaspPE,
    "stochastic_batches": StochasticBatches,
    "coreset": Coreset,
    "pixel_fusion": PixelFusion,
    "typiclust": TypiClust,
    "prob_cover": ProbCover,
    "alps": Alps,
    "core_gcn": CoreGCN,
    "vaal": Vaal,
    "cscs": Cscs,
    "facility_location_target": FacilityLocationTarget,
    "badge": Badge,
    "uncertain_coreset": UncertainCoreset,
    "sugfw": Sugfw,
    "spread": Spread,
    "predicted_foreground": PredictedForeground,
    "oracle_foreground": ForegroundReference,
    "oracle_greedy": GreedyReference,
}

for _name, _class in _REGISTERED.items():
    STRATEGIES.add(_name, _class)

__all__ = ["STRATEGIES", "ReferenceView", "Strategy", "View"]
