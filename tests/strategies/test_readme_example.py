"""The strategy that README shows works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from alseg_core.strategies.view import Strategy
from tests.strategies.conftest import make_view


def test_readme_strategy() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    namespace: dict[str, object] = {"__name__": "example"}
    exec(compile(blocks[0], "README.md", "exec", dont_inherit=True), namespace)
    middle = namespace["Middle"]
    assert isinstance(middle, type) and issubclass(middle, Strategy)
    view = make_view(depths=(9, 5), labelled=0)
    picks = middle().select(view, 2, np.random.default_rng(0)).positions
    assert sorted(zip(view.table.volume[picks], view.table.z[picks], strict=True)) == [(0, 4), (1, 2)]
