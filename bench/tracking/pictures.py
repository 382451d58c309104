"""The test slices kept by a run, as one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.study.arrays import load
from bench.study.palette import CLASS_COLOURS

COLOURS = np.array([[0, 0, 0], *(list(bytes.fromhex(colour[1:])) for colour in CLASS_COLOURS)], np.uint8)
"""RGB of every class; class 0 is the background."""
EXAMPLES = "examples.npz"
"""File of a run folder with these slices."""
ROWS, WIDTH, HEAD = 8, 192, 14
COLUMNS = ("image", "truth", "prediction", "case", "z")


def sheet(examples: Path, target: Path) -> None:
    """Draw one row per slice: image, with truth, with prediction; at most 8, evenly spaced. Older files are left out.

    examples: ``.npz`` with image (K, H, W), truth and prediction (K, H, W) class numbers, case (K,), z (K,).
    """
    from PIL import Image, ImageDraw

    kept = load(examples, COLUMNS)
    if kept is None:
        return
    columns = [kept[name] for name in COLUMNS]
    count = len(columns[0])
    chosen = np.unique(np.linspace(0, count - 1, min(ROWS, count)).round().astype(int))
    height = round(WIDTH * columns[0].shape[1] / columns[0].shape[2])
    page = Image.new("RGB", (3 * WIDTH, len(chosen) * (height + HEAD)))
    pen = ImageDraw.Draw(page)
    for row, index in enumerate(chosen):
        image, truth, prediction, case, z = (column[index] for column in columns)
        top = row * (height + HEAD)
        for column, (title, labels) in enumerate(
            ((f"{case}, slice {z}", None), ("truth", truth), ("prediction", prediction))
        ):
            panel = Image.fromarray(_over(image, labels)).resize((WIDTH, height), Image.Resampling.NEAREST)
            page.paste(panel, (column * WIDTH, top + HEAD))
            pen.text((column * WIDTH + 3, top + 1), title, fill=(255, 255, 255))
    page.save(target)  # optimised files are 7 % smaller, and were the dearest part of sending a run


def _over(image: NDArray[np.generic], labels: NDArray[np.generic] | None) -> NDArray[np.uint8]:
    """Return an image (H, W), scaled to its range, with classes (H, W) in colour: (H, W, 3) uint8."""
    values = image.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    grey = np.repeat(((values - low) * (255 / max(high - low, 1e-9)))[..., None], 3, axis=-1)
    if labels is not None:
        classes = labels.astype(int)
        painted = COLOURS[np.where(classes > 0, (classes - 1) % (len(COLOURS) - 1) + 1, 0)]
        grey = np.where(classes[..., None] > 0, 0.45 * grey + 0.55 * painted, grey)
    return grey.round().astype(np.uint8)
