"""The wall: a strategy that tries to reach labels cannot."""

from __future__ import annotations

import gc
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from alseg_core import loop, strategies
from alseg_core.config import RunConfig
from alseg_core.oracles import Vault
from alseg_core.registry import component
from alseg_core.store import Store
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


def reachable(root: object) -> list[Any]:
    """Every object that can be reached from ``root`` by attributes, items, closures and base arrays."""
    seen, queue, found = set(), [root], []
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, (type, types.ModuleType, types.BuiltinFunctionType, str, int, float)):
            continue
        seen.add(id(item))
        found.append(item)
        if isinstance(item, types.FunctionType):  # its closure, not the module it was written in
            queue += [cell.cell_contents for cell in item.__closure__ or ()]
        elif isinstance(item, np.ndarray):
            queue.append(item.base)
        else:
            queue += gc.get_referents(item)
    return found


class Ear:
    """A listener; those of a benchmark know the folders of the data."""

    def __call__(self, event: object) -> None:
        pass


CAUGHT: dict[str, Any] = {}


@component
class Thief(Strategy):
    """Takes whatever the view leads to."""

    needs_embedding: ClassVar[bool] = True

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        if not len(view.labelled):  # the second round has networks and bought labels to look for
            return Selection(view.unlabelled[:budget])
        found = reachable(view)
        CAUGHT["vaults"] = [o for o in found if isinstance(o, Vault)]
        bought = view.bought()[1]
        CAUGHT["bought"] = len(bought) == len(view.labelled) > 0
        CAUGHT["labels"] = [
            o for o in found if isinstance(o, np.ndarray) and o.dtype == np.uint8 and o.ndim > 1 and o is not bought
        ]
        CAUGHT["files"] = [o for o in found if isinstance(o, np.memmap) or getattr(o, "filename", None)]
        CAUGHT["images"] = [o for o in found if isinstance(o, np.ndarray) and o.dtype == np.float32 and o.ndim == 4]
        CAUGHT["paths"] = [o for o in found if isinstance(o, Path)]
        CAUGHT["listeners"] = [o for o in found if isinstance(o, Ear)]
        doors = ("labels", "masks", "ground_truth", "vault", "oracle", "annotation")
        CAUGHT["public"] = [name for name in doors if hasattr(view, name)]
        return Selection(view.unlabelled[:budget])


@pytest.mark.parametrize(
    "embed", ["task_net", {"name": "contrastive", "init": "random", "epochs": 1, "image_size": 16}]
)
def test_a_strategy_cannot_reach_labels(
    embed: Any, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(strategies.STRATEGIES, "thief", Thief)
    monkeypatch.setattr(Thief, "name", "thief", raising=False)
    tiny |= {"recipe": {"name": "thief", "strategy": "thief", "embed": embed}, "budgets": [3, 6]}
    loop.run(RunConfig.load(tiny), tmp_path / "run", Store(tmp_path / "store"), [Ear()])
    assert CAUGHT["images"] and CAUGHT["bought"]  # the search does look around
    assert CAUGHT["vaults"] == [] and CAUGHT["labels"] == [] and CAUGHT["files"] == [] and CAUGHT["paths"] == []
    assert CAUGHT["public"] == [] and CAUGHT["listeners"] == []


def test_a_reference_is_billed(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["recipe"] = {"name": "oracle_foreground", "strategy": "oracle_foreground"}
    records = loop.run(RunConfig.load(tiny), tmp_path / "run", Store(tmp_path / "store"))
    pool = round(records[0].labelled / records[0].fraction)
    for record in records:
        reads = [e for e in record.ledger if e["what"] == "ground truth for reference"]
        assert [(e["who"], e["slices"]) for e in reads] == [("oracle_foreground", pool)]
