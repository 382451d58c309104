"""Ways to spoil the files of a study."""

from __future__ import annotations

import io
import json
import os
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report.study_files import runs, study

HOSTILE_RUN = "d-coreset-mask-s0"


def two(tmp_path: Path, **content: Any) -> tuple[Path, Path]:
    """A study of two runs, and the folder of the one that tests make hostile."""
    place: dict[str, Any] = {"environment": {"device": "cpu"}}
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 1, **place), **content)
    return folder, folder / "runs" / HOSTILE_RUN


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def linked(path: Path) -> None:
    kept = path.parents[3] / "elsewhere"
    kept.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(kept)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def listening(path: Path) -> None:
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{here}/{path.name}")  # addresses have at most 107 bytes
    os.close(here)


def folded(path: Path) -> None:
    path.unlink()
    path.mkdir()


def circular(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def written(content: bytes | str) -> Callable[[Path], None]:
    """Replace the content of a file."""

    def write(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def edited(*keys: str | int, value: Any) -> Callable[[Path], None]:
    """Replace a value of a JSON file, or of the first line of rounds.jsonl."""

    def edit(path: Path) -> None:
        first, *others = path.read_text().split("\n") if path.suffix == ".jsonl" else [path.read_text()]
        content = json.loads(first)
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        path.write_text("\n".join([json.dumps(content), *others]))

    return edit


def header(shape: tuple[int, ...], descr: str = "|u1", order: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": order, "shape": shape})
    return buffer.getvalue()


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


class Raw:
    """An array that np.save would not write."""

    def __init__(self, content: bytes, repeat: int = 1) -> None:
        self.content, self.repeat = content, repeat


def examples(path: Path, **changes: Any) -> None:
    """An examples.npz of two slices, with some arrays changed."""
    pictures = np.zeros((2, 8, 8), np.uint8)
    arrays = {"image": pictures, "truth": pictures, "prediction": pictures, "case": np.array(["v1", "v2"])}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, array in {**arrays, "z": np.arange(2), **changes}.items():
            if isinstance(array, Raw):
                with file.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    for _ in range(array.repeat):
                        stream.write(array.content)
            else:
                file.writestr(f"{name}.npy", saved(array))


NAMES = ("image", "truth", "prediction", "case", "z")
