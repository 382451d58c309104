from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.project.returns.rounds import Round, manifest_of


@pytest.fixture
def make_round(tmp_path: Path) -> Callable[..., Round]:
    def make(kind: Any = "mask") -> Round:
        folder = tmp_path / "round_01"
        (folder / "segmentations").mkdir(parents=True)
        return Round(manifest_of(kind), folder)

    return make


@pytest.fixture
def the_round(make_round) -> Round:
    return make_round()
