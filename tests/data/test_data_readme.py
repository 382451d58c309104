"""The reader, the dataset file, the splitter and the test of alseg_core/data/README.md work as they stand."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from alseg_core.data.prepare import prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers.conformance import CHECKS
from alseg_core.data.readers.reader import CaseRef
from alseg_core.data.splits import SPLITS, Split
from alseg_core.errors import SplitError
from alseg_core.store import Store
from bench.study import Study
from tests.readme_blocks import write_blocks

PAGE = Path(__file__).parents[2] / "alseg_core" / "data" / "README.md"


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the files of the page, which is also the current one."""
    write_blocks(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    folder = tmp_path / "knees"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for patient in range(6):
        mask = (rng.random((4, 40, 48)) < 0.3).astype(np.uint8)
        np.savez(folder / f"p{patient}.npz", image=mask + rng.random(mask.shape), mask=mask, spacing_mm=(4, 1, 1))
    return folder


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_reader_and_its_test(examples: Path, sample: Path) -> None:
    shown = module("test_npz_folder")
    for check in CHECKS:
        shown.test_npz_folder(check, sample)


def test_dataset_file_of_the_reader(examples: Path, sample: Path) -> None:
    raw = {"name": "k", "datasets": ["knees.yaml"], "recipes": ["random"], "annotations": "mask", "data": str(sample)}
    (run,) = Study.load(raw).runs()
    dataset = run.dataset
    folder = prepare(dataset.reader, sample, dataset.prepare, Store(examples / "store"))
    prepared = Prepared.open(folder)
    assert prepared.base.shape == (24, 1, 64, 64)
    assert len(dataset.split.assign(prepared.cases).train) == 4


def test_splitter(examples: Path) -> None:
    split = SPLITS.build({"name": "by_site:BySite", "val": "north", "test": "south"})
    cases = [CaseRef(str(i), str(i), attributes={"site": site}) for i, site in enumerate(("east", "north", "south"))]
    assert split.assign(cases) == Split(("0",), ("1",), ("2",))
    with pytest.raises(SplitError, match="south"):
        split.assign(cases[:2])
