"""Arrays from elsewhere: nothing is read before its shape, type and size are known, and no figure is too large."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.errors import ResultsError
from bench.study.arrays import load
from tests.bench.report.hostile import Raw, examples, header, linked, listening, piped, saved, sparse, written

NAMES = ("image", "truth", "prediction", "case", "z")
BIG = (6, 15000, 15000)
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "a claim of gigabytes": ({"image": Raw(header(BIG))}, "sides up to 1024"),
    "a claim that the file does not hold": ({"image": Raw(header((900, 1000, 1000)))}, "does not fit its 128 bytes"),
    "a bomb": ({"image": Raw(header((300, 1024, 1024)) + bytes(64), 1)}, "does not fit"),
    "a real bomb": ({"image": np.zeros((70, 1000, 1000), np.uint8)}, "more than 64,000,000 bytes"),
    "many that are too much together": (
        {name: np.zeros((30, 1000, 1000), np.uint8) for name in ("image", "truth", "prediction")},
        "more than 64,000,000 bytes",
    ),
    "more behind the array": ({"truth": Raw(saved(np.zeros((2, 8, 8), np.uint8)) + bytes(9))}, "does not fit"),
    "objects": ({"case": np.array(["v1", None], object)}, "case has shape"),
    "a negative shape": ({"z": Raw(header((-1, -2), "<i8"))}, "z has shape"),
    "texts of no length": ({"case": Raw(header((10**18,), "<U0"))}, "case has shape"),
    "texts for numbers": ({"z": np.array(["a", "b"])}, "z has shape"),
    "wide labels": ({"truth": np.zeros((2, 8, 8), np.int64)}, "truth has shape"),
    "a field": ({"z": np.zeros(2, [("a", "<i8")])}, "z has shape"),
    "another length": ({"z": np.arange(3)}, "do not match"),
    "other pictures": ({"prediction": np.zeros((2, 9, 8), np.uint8)}, "do not match"),
    "empty pictures": (
        {name: np.zeros((2, 0, 8), np.uint8) for name in ("image", "truth", "prediction")},
        "its pictures are empty",
    ),
    "a header that is code": (
        {"z": Raw(b"\x93NUMPY\x01\x00\x20\x00__import__('os').system('id')   \n")},
        "malformed node",
    ),
    "a format to come": ({"z": Raw(b"\x93NUMPY\x09\x00" + bytes(120))}, "format"),
    "no array": ({"z": Raw(b"nothing")}, "is damaged"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_are_checked_before_they_are_read(tmp_path: Path, what: str) -> None:
    changes, told = ARRAYS[what]
    examples(tmp_path / "examples.npz", **changes)
    tracemalloc.start()
    with pytest.raises(ResultsError, match=told) as error:
        load(tmp_path / "examples.npz", NAMES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "examples.npz is damaged" in str(error.value) and str(error.value).isprintable()
    assert peak < 70_000_000


@pytest.mark.parametrize("spoil", [piped, linked, listening, lambda path: sparse(path, 10**10), written(b"PK\x03\x04")])
@pytest.mark.timeout(30)
def test_a_file_of_arrays_that_is_none(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "1" / "2" / "3" / "examples.npz"
    path.parent.mkdir(parents=True)
    examples(path)
    spoil(path)
    with pytest.raises(ResultsError, match="examples.npz is damaged"):
        load(path, NAMES)


def test_arrays_in_any_order_of_bytes_and_older_ones(tmp_path: Path) -> None:
    pictures = np.asfortranarray(np.arange(128, dtype=np.uint8).reshape(2, 8, 8))
    examples(tmp_path / "a.npz", image=pictures, z=np.arange(2, dtype=">i4"), case=np.array(["v\x1b", "v2"]))
    found = load(tmp_path / "a.npz", NAMES)
    assert (found["image"] == pictures).all() and found["z"].tolist() == [0, 1]
    assert found["case"].tolist() == ["v\\x1b", "v2"]
    examples(tmp_path / "old.npz", image=np.zeros((2, 8, 8), np.float32))
    assert load(tmp_path / "old.npz", NAMES) is None and load(tmp_path / "a.npz", ("points",)) is None


def test_embeddings_are_finite(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", points=np.array([[1.0, np.nan]], np.float16))
    with pytest.raises(ResultsError, match="points holds numbers that are not finite"):
        load(tmp_path / "e.npz", ("points",))


def test_a_figure_of_absurd_size_is_not_drawn(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    from bench.report.figures.style import save

    with pytest.raises(ResultsError, match="it would have 10,000 x 10,000 pixels"):
        save(Figure(figsize=(100, 100), dpi=100), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
