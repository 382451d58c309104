"""t-SNE of an encoder's features (as Vepa et al., NeurIPS 2024, Fig. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.report.compared import ranking
from bench.report.figures.drawing import Drawing
from bench.report.figures.letters import NAME, broken
from bench.report.figures.looks import HUES
from bench.report.figures.runfiles import Arrays, arrays
from bench.report.figures.style import FAINT, FULL, INK, WIDE_DPI
from bench.report.runs.results import Results
from bench.report.setting import Scope

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

FIRST = ("gcl_group_coreset", "gcl_coreset", "ntxent_coreset")
"""Recipes whose embeddings are shown first: those of the paper and of the quick study."""
MOST = 4
POINTS = 1000
"""Most slices in a figure: t-SNE takes about a second, and more could not be told apart."""
COLOURED = CLUSTERS = len(HUES)
PERPLEXITY = 30.0


def distinct(found: dict[str, Arrays], order: list[str]) -> list[tuple[list[str], Arrays]]:
    """Return the embeddings with the recipes that share them, the paper's first, then by rank."""
    groups: dict[str, list[str]] = {}
    for recipe in [*FIRST, *(name for name in order if name not in FIRST)]:
        if recipe in found:
            groups.setdefault(str(found[recipe]["digest"]), []).append(recipe)
    return [(names, found[names[0]]) for names in list(groups.values())[:MOST]]


def thinned(content: Arrays) -> NDArray[np.int64]:
    """Return the sorted rows to show: all labelled slices and an even sample of the others, at most POINTS."""
    labelled = np.flatnonzero(content["labelled"])[:POINTS]
    others = np.flatnonzero(~content["labelled"].astype(bool))
    room = min(POINTS - len(labelled), len(others))
    even = others[np.linspace(0, len(others) - 1, room).round().astype(int)] if room else others[:0]
    rows: NDArray[np.int64] = np.unique(np.concatenate([labelled, even]))
    return rows


def flat(points: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Return the t-SNE (n, 2) of points (n, d); the first two columns for fewer than five points."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(points) < 5:
        return np.pad(points, ((0, 0), (0, 2)))[:, :2]
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    with threadpool_limits(1):  # on a busy machine its threads wait for each other and take 30 times as long
        model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, max_iter=500, n_jobs=1)
        placed: NDArray[np.float32] = model.fit_transform(points.astype(np.float32))
    return placed


def clusters(points: NDArray[np.float32], seed: int = 0) -> NDArray[np.int64]:
    """Return the k-means cluster (n,) of each of the points (n, d); the largest is 0."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        own = KMeans(min(CLUSTERS, len(points)), n_init=4, random_state=seed).fit_predict(points.astype(np.float32))
    return by_size(own)


def by_size(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers 0, 1, ... in place of names (n,), the most frequent first."""
    _, inverse, count = np.unique(names, return_inverse=True, return_counts=True)
    rank = np.empty(len(count), dtype=np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(len(count))
    numbers: NDArray[np.int64] = rank[inverse]
    return numbers


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw rows of embeddings, each three times: coloured by patient, position in the volume and k-means cluster."""
    found = arrays(results, setting, "embedding", ("points", "patient", "position", "labelled", "digest"))
    found = {recipe: content for recipe, content in found.items() if len(content["points"])}
    if not found:
        return "no run of a recipe with an embedding has an embedding.npz; runs of this version do"
    shown = distinct(found, ranking(analysis, setting))
    figure = Figure(figsize=(FULL, 3.1 * len(shown) + 0.3), dpi=WIDE_DPI, layout="constrained")
    axes = figure.subplots(len(shown), 3, squeeze=False)
    for row, (names, content) in zip(axes, shown, strict=True):
        rows = thinned(content)
        points = content["points"][rows].astype(np.float32)
        place, ringed = flat(points), content["labelled"][rows].astype(bool)
        _scatter(row[0], place, _named_colours(by_size(content["patient"][rows])), ringed)
        position = matplotlib.colormaps["viridis"](np.clip(content["position"][rows].astype(float), 0, 1))
        _scatter(row[1], place, position, ringed)
        _scatter(row[2], place, _named_colours(clusters(points)), ringed)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        row[0].set_ylabel(f"{broken(names[0], NAME)}{more}")
    for axis, title in zip(
        axes[0],
        (f"patients (the {COLOURED} largest; others grey)", "position in the volume", "k-means cluster"),
        strict=True,
    ):
        axis.set_title(title)
    scale = matplotlib.cm.ScalarMappable(cmap="viridis")
    bar = figure.colorbar(scale, ax=axes[-1, 1], orientation="horizontal", shrink=0.7, aspect=30, pad=0.02)
    bar.set_ticks([0, 1], labels=["first slice", "last slice"])
    return figure


def _named_colours(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n, 4) colours: a hue for each of the most frequent numbers, grey for the rest."""
    table = np.array([matplotlib.colors.to_rgba(colour) for colour in (*HUES, FAINT)])
    return table[np.minimum(numbers, len(HUES))]


def _scatter(axis: Axes, place: NDArray[np.float32], colour: NDArray[np.float64], ringed: NDArray[np.bool_]) -> None:
    grey = (colour == matplotlib.colors.to_rgba(FAINT)).all(axis=1)
    order = np.argsort(~grey, kind="stable")  # colours over grey
    size = float(np.clip(6000 / len(place), 8, 36))
    x, y = place.T
    axis.scatter(x[order], y[order], s=size, c=colour[order], linewidths=0)
    axis.scatter(x[ringed], y[ringed], s=2.4 * size, facecolors="none", edgecolors=INK, linewidths=1.0)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[["left", "bottom"]].set_visible(False)


EMBEDDING = Drawing(
    "Embeddings",
    "t-SNE of the slices' features, the same points three times: coloured by patient (those with most slices; others "
    "grey), by height in the volume, and by k-means cluster of the features; labelled slices are ringed. Only "
    "neighbourhoods are meaningful: distances between islands, their sizes and the axes are not.",
    draw,
    vector=False,
)
