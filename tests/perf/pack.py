"""Pack a prepared dataset into one small file, for machines without data: ``python tests/perf/pack.py``."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

LABELS = ("masks", "scribbles")


def pack(folder: Path, file: Path, cases: int) -> int:
    """Write the first cases of a prepared folder, images as 8-bit integers; return the number of slices."""
    index = json.loads((folder / "index.json").read_text())
    index["cases"] = index["cases"][:cases]
    count: int = sum(case["depth"] for case in index["cases"])
    images = np.load(folder / "images.npy", mmap_mode="r")[:count]
    low, high = float(images.min()), float(images.max())
    kept = {name: np.load(folder / "labels" / f"{name}.npy", mmap_mode="r")[:count] for name in LABELS}
    native = sum(case["depth"] * int(np.prod(case["native_shape"])) for case in index["cases"] if case["has_mask"])
    np.savez_compressed(
        file,
        allow_pickle=False,
        images=np.round((images - low) / (high - low) * 255).astype(np.uint8),
        range=np.array([low, high]),
        native=np.load(folder / "labels" / "native.npy", mmap_mode="r")[:native],
        index=np.array(json.dumps(index)),
        **kept,
    )
    return count


def unpack(file: Path, folder: Path) -> Path:
    """Restore the prepared folder that :func:`pack` read; return it."""
    (folder / "labels").mkdir(parents=True)
    with np.load(file, allow_pickle=False) as packed:
        low, high = packed["range"]
        images = packed["images"].astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
        np.save(folder / "images.npy", images)
        for name in (*LABELS, "native"):
            np.save(folder / "labels" / f"{name}.npy", packed[name])
        (folder / "index.json").write_text(str(packed["index"]))
    return folder


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cases", type=click.IntRange(1), default=1000, help="Number of cases to keep, from the first.")
def main(folder: Path, file: Path, cases: int) -> None:
    """Pack the prepared FOLDER (<out>/store/prepared/<key>) into FILE.npz."""
    count = pack(folder, file, cases)
    click.echo(f"{count} slices, {file.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
