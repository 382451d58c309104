"""Greedy k-centre by the embedding and by the fused metric."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from alseg_core.geometry.kcenter import k_center_greedy
from alseg_core.strategies.pixel_fusion import PixelFusion
from alseg_core.vocabulary import IntArray
from gpu_check.answer import Answer
from gpu_check.setting import Setting
from material import clustered, scribbles, smooth, view_of


def answers(setting: Setting) -> Iterator[Answer]:
    """Time a centre of both: of the picks alone, and of labelled slices and picks."""
    scale, bench = setting.scale, setting.bench
    count, centres, length = scale.candidates, scale.centres, scale.features
    features = clustered(count, length, np.random.default_rng(0))
    none: IntArray = np.zeros(0, np.int64)

    def chosen() -> object:
        return k_center_greedy(features, none, np.arange(count), centres, 0, setting.device)

    chosen()  # a warm selection
    floor = bench.ceilings.floor(4.0 * count * length, reads=True).seconds
    with setting.peak() as peak:
        seconds = bench.seconds(chosen) / centres
        memory = peak()
    yield Answer("k-centre, a centre", f"{count} x {length}", seconds, floor=floor, memory=memory)

    rng, side = np.random.default_rng(0), scale.fused_side
    images, features = smooth(count, side, length, rng)
    labelled = np.sort(rng.choice(count, 2 * centres, replace=False))
    view = view_of(features, images, scribbles(count, side, rng), labelled, setting.device)
    fusion = PixelFusion()
    fusion.select(view, 1, np.random.default_rng(0))  # a warm selection
    with setting.peak() as peak:
        whole = bench.seconds(lambda: fusion.select(view, centres, np.random.default_rng(0)))
        memory = peak()
    size = f"{count} of {side}^2, {2 * centres} + {centres}"
    yield Answer("fused metric, a centre", size, whole / (3 * centres), memory=memory, note=f"{whole:.2f} s in all")
