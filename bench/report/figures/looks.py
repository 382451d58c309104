"""How each recipe is drawn: the same colour, mark and line in every figure of every report."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from alseg_core.vocabulary import BASELINE, reads_ground_truth

COLOURS: dict[str, tuple[str, ...]] = {
    "#0072B2": (
        *("coreset", "margin", "random_3d", "pixel_fusion", "gcl_as_released", "gcl_ablation_nvs"),
        *("bald_tta", "sugfw"),
    ),
    "#D55E00": (
        *("gcl_coreset", "least_confidence", "badge", "gcl_coreset_volume", "gcl_ablation_v"),
        *("gcl_ablation_npvs", "cscs"),
    ),
    "#009E73": (
        *("typiclust", "entropy_power", "stratified", "coreset_imagenet", "gcl_ablation_ns", "coreset_dino"),
        "entropy_spread",
    ),
    "#CC79A7": (
        *("entropy", "random_volumes", "core_gcn", "coreset_medoid", "gcl_ablation_np", "typiclust_dino"),
        "entropy_tta",
    ),
    "#E69F00": (
        *("gcl_group_coreset", "bald", "prob_cover", "oracle_greedy", "gcl_ablation_ps", "alps_dino"),
        "facility_location_target",
    ),
    "#56B4E9": (
        *("strided", "variance_ratio", "bald_power", "coreset_densest", "gcl_ablation_pv", "prob_cover_dino"),
        "gcl_coreset_spread",
    ),
    "#7F0CF2": (
        *("oracle_foreground", "entropy_softrank", "stochastic_batches", "uncertain_coreset"),
        *("gcl_ablation_vs", "one_vs_rest"),
    ),
    "#603305": ("ntxent_coreset", "clasp_pe", "vaal", "gcl_ablation_s", "gcl_ablation_pvs", "predicted_foreground"),
    "#ACAC52": ("clumped", "alps", "coreset_task", "gcl_coreset_patient", "gcl_ablation_nps", "selective_uncertainty"),
}
"""Colour -> recipes of the catalogue that have it, each with a mark of its own by its place. Those of one study of
up to ten differ in colour. Add new recipes at the end of a line, so that no other changes its look.

The palette is that of Okabe and Ito without yellow, and three tones that no colour blindness confuses with it.
"""
HUES = tuple(COLOURS)
MARKERS = "osD^vP<>Xh"
LINES: tuple[Any, ...] = ("-", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)))
REFERENCE = "--"
"""Line of recipes that read ground truth."""


@dataclass(frozen=True)
class Look:
    """How the marks of one recipe are drawn."""

    colour: str
    marker: str = "o"
    line: Any = "-"


def looks(recipes: Iterable[str]) -> dict[str, Look]:
    """Return recipe -> look: random black, references dashed, the catalogue as in :data:`COLOURS`.

    The name of any other recipe determines its colour, and its mark and line too, unless one of ``recipes`` has them.
    """
    table: dict[str, Look] = {}
    taken = set(KNOWN.values())
    for recipe in sorted(recipes):
        wanted = _wanted(recipe)
        table[recipe] = KNOWN.get(recipe) or next((look for look in wanted if look not in taken), wanted[0])
        taken.add(table[recipe])
    return table


def _catalogue() -> dict[str, Look]:
    table = {BASELINE: Look("#000000")}
    for number, (hue, recipes) in enumerate(COLOURS.items()):
        for place, recipe in enumerate(recipes):
            line = REFERENCE if reads_ground_truth(recipe) else LINES[place % len(LINES)]
            table[recipe] = Look(hue, MARKERS[(1 + number + place) % len(MARKERS)], line)
    return table


def _wanted(recipe: str) -> list[Look]:
    """Return the looks of a recipe of any name, by preference: first in its own colour."""
    code = zlib.crc32(recipe.encode())
    lines = (REFERENCE,) if reads_ground_truth(recipe) else LINES
    hues = _turned(HUES, code)
    marks = _turned(list(product(lines, MARKERS)), code // len(HUES))
    return [Look(hue, marker, line) for hue in hues for line, marker in marks]


def _turned(values: Any, by: int) -> list[Any]:
    start = by % len(values)
    return [*values[start:], *values[:start]]


KNOWN = _catalogue()
