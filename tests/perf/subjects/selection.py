"""Choosing slices: k-centre by either metric, its cover radius, and the strategies that could need quadratic memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from alseg_core.errors import MissingPackageError
from alseg_core.geometry.kcenter import cover_radius, k_center_greedy
from alseg_core.strategies.badge import Badge
from alseg_core.strategies.core_gcn import CoreGCN
from alseg_core.strategies.pixel_fusion import PixelFusion
from alseg_core.strategies.prob_cover import ProbCover
from alseg_core.strategies.synthetic_view import SyntheticView
from alseg_core.strategies.typiclust import TypiClust
from alseg_core.strategies.view import Strategy
from alseg_core.vocabulary import IGNORE, IntArray
from material import POOL, clustered, pool, table, view_of
from measure import Bench, Row, peak_memory
from straightforward import selection as plain

FEATURES = 512
RELEASED_FUSED, RELEASED_PLAIN = 0.8, 0.11
"""Seconds a centre that the authors' code took for 1,454 slices on two CPU cores."""
CHUNK = 512


def rows(bench: Bench) -> Iterator[Row]:
    """The fused metric, Eq. 3 on the paper's pool and on a large one, and memory of other strategies."""
    yield from _fused(bench)
    yield from _eq3(bench)
    yield _large(bench)
    yield from _others(bench)


def _fused(bench: Bench) -> Iterator[Row]:
    """Time early and late selections of the paper's protocol, per centre: labelled slices and picks are centres."""
    rng = np.random.default_rng(0)
    images, labels, features = pool(bench, 256, FEATURES, rng)
    count, size = len(images), images.shape[-1]
    strategy = PixelFusion()
    for bought, budget in ((29, 14), (145, 72)):
        labelled = np.sort(rng.choice(count, bought, replace=False))
        view = view_of(features, images, labels, labelled, bench.device)
        marks = {int(c): labels[c] != IGNORE for c in labelled}
        marked = float(np.mean([m.sum() for m in marks.values()]))
        metric = plain.Fused(images[:, 0], features, marks, marked)
        centres = bought + budget

        def ours(view: SyntheticView = view, budget: int = budget, centres: int = centres) -> float:
            return bench.seconds(lambda: strategy.select(view, budget, np.random.default_rng(0))) / centres

        def baseline(
            metric: plain.Fused = metric, labelled: IntArray = labelled, budget: int = budget, centres: int = centres
        ) -> float:
            """Time one centre with marks and one without, in the proportions of the selection."""
            unmarked = next(c for c in range(count) if c not in metric.marks)
            with_marks = bench.seconds(lambda: plain.to_centre(metric, range(count), int(labelled[0])))
            without = bench.seconds(lambda: plain.to_centre(metric, range(count), unmarked))
            return (len(labelled) * with_marks + budget * without) / centres

        ours()  # the first selection of a process loads libraries
        mine, theirs = bench.both(ours, baseline)
        target = RELEASED_FUSED / 50
        pixels = (bought * marked + budget * size**2) / centres
        yield Row(
            "fused k-centre",
            f"{count} slices, {bought} + {budget}",
            "a centre",
            mine,
            theirs,
            bench.ceilings.floor(4.0 * count * (pixels + FEATURES), reads=True),
            f"<= {target * 1e3:.0f} ms",
            mine <= target,
            note=f"{mine * centres:.2f} s for {budget} picks beside {bought} labelled slices with {marked:.0f} marks; "
            f"target: 50x the released code's {RELEASED_FUSED} s; above 100 % where distances are ruled out unread",
        )


def _eq3(bench: Bench) -> Iterator[Row]:
    features = clustered(POOL, FEATURES, np.random.default_rng(0))
    metric, everything, count = plain.embedded(features), np.arange(POOL), 100
    none: IntArray = np.zeros(0, np.int64)
    target = RELEASED_PLAIN / 200
    mine, theirs = bench.both(
        lambda: bench.seconds(lambda: k_center_greedy(features, none, everything, count, 0, bench.device)) / count,
        lambda: bench.seconds(lambda: plain.to_centre(metric, range(POOL), 0)),
        repeats=5,
    )
    floor = bench.ceilings.floor(4.0 * POOL * FEATURES, reads=True)
    yield Row(
        "Eq. 3 k-centre",
        f"{POOL} x {FEATURES}",
        "a centre",
        mine,
        theirs,
        floor,
        f"<= {target * 1e6:.0f} us",
        mine <= target,
        note=f"target: 200x the released code's {RELEASED_PLAIN} s; 3 MB fit the cache, so the share "
        "of memory bandwidth can pass 100 %",
    )
    mine, theirs = bench.both(
        lambda: bench.seconds(lambda: cover_radius(features, everything[:count], bench.device)) / count,
        lambda: bench.seconds(lambda: plain.to_centre(metric, range(POOL), 0)),
        repeats=5,
    )
    yield Row("cover radius", f"{POOL} x {FEATURES}", "a centre", mine, theirs, floor)


def _large(bench: Bench) -> Row:
    count, centres = (1_000_000, 1000) if bench.full else (100_000, 50)
    features = clustered(count, FEATURES, np.random.default_rng(0), groups=2 * centres)
    metric, none = plain.embedded(features), np.zeros(0, np.int64)
    part = count // 20

    def ours() -> float:
        work = bench.seconds(lambda: k_center_greedy(features, none, np.arange(count), centres, 0, bench.device))
        return work / centres

    mine, theirs = bench.both(
        ours, lambda: bench.seconds(lambda: plain.to_centre(metric, range(part), 0)) * count / part, repeats=1
    )
    floor = bench.ceilings.floor(4.0 * count * FEATURES, reads=True)
    return Row(
        "Eq. 3 k-centre",
        f"{count:,} x {FEATURES}",
        "a centre",
        mine,
        theirs,
        floor,
        "at the bandwidth limit",
        floor.seconds / mine >= 0.8,
        note=f"{centres} centres; baseline from {part:,} slices; above 100 % where distances are ruled out unread",
    )


@dataclass(eq=False)
class MapsView(SyntheticView):
    """View of many slices whose predictions are generated on demand."""

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Yield random probabilities and features of 16 channels at 16 x 16 pixels."""
        generator = torch.Generator().manual_seed(0)
        for start in range(0, len(positions), CHUNK):
            chunk = positions[start : start + CHUNK]
            logits = torch.randn(len(chunk), 4, 16, 16, generator=generator)
            yield chunk, logits.softmax(dim=1), torch.randn(len(chunk), 16, 16, 16, generator=generator)


def _others(bench: Bench) -> Iterator[Row]:
    count, labelled, budget = (50_000, 500, 100) if bench.full else (5_000, 50, 50)
    features = clustered(count, FEATURES, np.random.default_rng(0))
    base = view_of(
        features,
        np.zeros((count, 1, 1, 1), np.float32),
        np.zeros((count, 1, 1), np.uint8),
        np.arange(labelled),
        bench.device,
    )
    view = MapsView(**{name: getattr(base, name) for name in base.__dataclass_fields__})
    quadratic = 4.0 * count**2
    # memory does not depend on the number of epochs
    strategies: list[Strategy] = [TypiClust(), ProbCover(), Badge(), CoreGCN(epochs=200 if bench.full else 10)]
    small = replace(
        view,
        table=table(200),
        labelled=np.arange(50),
        features=features[:200],
        pixels=view.pixels[:200],
        masks=view.masks[:200],
    )
    for strategy in strategies:
        try:
            strategy.select(small, 2, np.random.default_rng(0))  # libraries loaded once are no memory of the pool
        except MissingPackageError:  # faiss
            continue
        with peak_memory() as peak:
            seconds = bench.seconds(lambda: strategy.select(view, budget, np.random.default_rng(0)))  # noqa: B023
        added = peak()
        yield Row(
            type(strategy).__name__,
            f"{count:,} x {FEATURES}",
            f"{budget} picks",
            seconds,
            memory=added,
            target=f"< {quadratic / 1e6:,.0f} MB" if bench.full else "",
            met=added < quadratic if bench.full and added is not None else None,
            note=f"{strategy}; a matrix of all pairs would take {quadratic / 1e6:,.0f} MB",
        )
