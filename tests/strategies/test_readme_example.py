"""The strategy that a page shows works as it stands, and so does its test."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.strategies.conformance import CHECKS
from tests.strategies.conftest import make_view

ROOT = Path(__file__).parents[2]


def test_readme_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "alseg_core/strategies/README.md"
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(blocks) == 2
    where = re.search(r"^from (\S*middle) import Middle$", blocks[1], re.MULTILINE)
    module = types.ModuleType(where[1])  # where the page puts it; what is pickled is looked up there
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(blocks[0], page, "exec", dont_inherit=True), vars(module))
    namespace: dict[str, Any] = {}
    exec(compile(blocks[1], page, "exec", dont_inherit=True), namespace)
    view = make_view(depths=(9, 5), labelled=0)
    picks = namespace["Middle"]().select(view, 2, np.random.default_rng(0)).positions
    assert sorted(zip(view.table.volume[picks], view.table.z[picks], strict=True)) == [(0, 4), (1, 2)]
    for check in CHECKS:
        namespace["test_middle"](check)
