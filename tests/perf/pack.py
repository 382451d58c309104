"""Pack a prepared dataset into one small file, for machines without data: ``python tests/perf/pack.py``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.errors import DataError

LABELS = ("masks", "scribbles")
MOST_MB = 40
"""Largest size of the file in MB unless another is asked for."""
MARGIN = 0.98
"""Share of the size that is aimed at, as cases differ."""


def pack(folder: Path, file: Path, cases: int, most: float = MOST_MB * 1e6) -> int:
    """Write the first cases of a prepared folder, images as 8-bit integers; return the number of slices.

    cases: most of them; fewer are kept where the file would have more than ``most`` bytes. Raises DataError when one
    case alone is larger.
    """
    index = json.loads((folder / "index.json").read_text())
    cases = min(cases, len(index["cases"]))
    while True:
        count = _write(folder, file, {**index, "cases": index["cases"][:cases]})
        size = file.stat().st_size
        if size <= most:
            return count
        if cases == 1:
            file.unlink()
            raise DataError(f"{folder}: its first case takes {size / 1e6:.3g} MB and at most {most / 1e6:.3g} fit.")
        cases = max(1, min(cases - 1, int(MARGIN * cases * most / size)))


def _write(folder: Path, file: Path, index: dict[str, Any]) -> int:
    count: int = sum(case["depth"] for case in index["cases"])
    images = np.load(folder / "images.npy", mmap_mode="r")[:count]
    low, high = float(images.min()), float(images.max())
    kept = {name: np.load(folder / "labels" / f"{name}.npy", mmap_mode="r")[:count] for name in LABELS}
    native = sum(case["depth"] * int(np.prod(case["native_shape"])) for case in index["cases"] if case["has_mask"])
    with file.open("wb") as opened:  # a path without .npz would get it
        np.savez_compressed(
            opened,
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


def main() -> None:
    """Pack the prepared FOLDER (<out>/store/prepared/<key>) into FILE.npz."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--cases", type=int, default=1000, help="number of cases to keep, from the first; default: all")
    parser.add_argument(
        "--mb", type=float, default=MOST_MB, help="largest file; fewer cases are kept if they do not fit"
    )
    given = parser.parse_args()
    if not (given.folder / "index.json").is_file():
        parser.error(f"{given.folder} is no prepared folder, which <out>/store/prepared/<key> is: it has no index.json")
    if given.cases < 1:
        parser.error(f"--cases {given.cases}: at least 1 was wanted")
    try:
        count = pack(given.folder, given.file, given.cases, given.mb * 1e6)
    except DataError as error:
        parser.error(str(error))
    print(f"{count} slices, {given.file.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
