"""What the raw scans of a dataset hold, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from alseg_core.errors import DataError
from bench.study import DatasetFile, find


def check(dataset: str, folder: str | None) -> tuple[list[str], list[str]]:
    """Read every scan. Returns lines on what is there, and one problem for every scan that cannot be used.

    Raises DataError when the folder does not hold the layout that the dataset's reader expects.
    """
    from alseg_core.data.prepare import verify
    from alseg_core.data.readers import READERS

    file = DatasetFile(dataset, find("dataset", dataset))
    root = file.root(folder)
    reader = READERS.build(file.content["reader"])
    refs = reader.scan(Path(root) if root else None)
    facts: list[tuple[int, tuple[float, ...], tuple[int, ...]]] = []
    labels: Counter[int] = Counter()
    problems = [f"case {case!r} is there twice" for case, n in Counter(ref.case for ref in refs).items() if n > 1]
    scribbles = masks = 0
    for ref in refs:
        try:
            volume = reader.load(ref)
            verify(volume, ref, reader.labels)
        except DataError as error:
            problems.append(str(error))
            continue
        facts.append((len(volume.image), volume.spacing_mm, volume.image.shape[1:3]))
        masks += volume.mask is not None
        scribbles += volume.scribble is not None
        if volume.mask is not None:
            labels.update({int(v): 1 for v in np.unique(volume.mask)})
    lines = [f"{file.name}: {len(refs)} cases of {len({ref.patient for ref in refs})} patients"]
    groups = Counter(ref.group for ref in refs if ref.group)
    if groups:
        lines.append("groups: " + ", ".join(f"{name} {count}" for name, count in sorted(groups.items())))
    if facts:
        depth, spacing, shape = (np.array(part) for part in zip(*facts, strict=True))
        lines.append(f"slices: {depth.sum()}, {depth.min()} to {depth.max()} a case")
        least, most = shape.min(axis=0), shape.max(axis=0)
        lines.append(f"rows x columns: {least[0]}x{least[1]} to {most[0]}x{most[1]}")
        spans = (f"{axis} {spacing[:, i].min():.2f} to {spacing[:, i].max():.2f}" for i, axis in enumerate("zyx"))
        lines.append("spacing (mm): " + ", ".join(spans))
    names = list(file.content.get("classes") or [])
    named = {v: names[v] if v < len(names) else "without a name" for v in sorted(labels)}
    lines.append("labels: " + ", ".join(f"{v} {name} in {labels[v]} cases" for v, name in named.items()))
    lines.append(f"masks: {masks} cases; scribbles: {scribbles} cases")
    return lines, problems
