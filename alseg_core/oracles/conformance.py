"""Conformance suite of annotation kinds (oracles), for those of this package and for your own.

Each function in :data:`CHECKS` takes an oracle and raises AssertionError with a description of the first fault; with
pytest:

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check):
        check(Mine())

The oracle annotates slices of three small generated patients; one of them has scribbles.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from alseg_core.conformance import demand, global_seeds, pickled
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers.phantom import Phantom
from alseg_core.data.readers.reader import CaseRef
from alseg_core.data.slices import Slices
from alseg_core.errors import DataError
from alseg_core.oracles import Oracle
from alseg_core.oracles.vault import Vault
from alseg_core.registry import component
from alseg_core.store import Store
from alseg_core.vocabulary import IGNORE, Annotation, IntArray, Volume

SIZE = 32
"""Rows and columns of a slice, in pixels."""


@component
class _Patients:
    """Three generated patients; the first has scribbles too, on every fifth row."""

    labels: ClassVar[tuple[int, ...]] = Phantom.labels
    paper: ClassVar[str] = Phantom.paper
    licence: ClassVar[str] = Phantom.licence
    source: ClassVar[str] = Phantom.source
    layout: ClassVar[str] = Phantom.layout

    def scan(self, root: Path | None) -> list[CaseRef]:
        return [ref for ref in Phantom(patients=3, size=48).scan(root) if ref.group == "ED"]

    def load(self, ref: CaseRef) -> Volume:
        volume = Phantom(patients=3, size=48).load(ref)
        if ref.patient != "phantom001" or volume.mask is None:
            return volume
        rows = np.arange(volume.mask.shape[1])[:, None]
        return replace(volume, scribble=np.where(rows % 5 == 0, volume.mask, IGNORE).astype(np.uint8))


@dataclass(frozen=True)
class _Sample:
    """Prepared patients in a temporary folder that lives as long as the process."""

    place: tempfile.TemporaryDirectory[str]
    folder: Path

    def vault(self) -> Vault:
        """Return a vault with an empty ledger."""
        return Vault(self.folder, Prepared.open(self.folder))


@functools.cache
def _sample() -> _Sample:
    place = tempfile.TemporaryDirectory(prefix="alseg-conformance-")
    folder = prepare(_Patients(), None, Prepare(size=SIZE), Store(Path(place.name)))
    return _Sample(place, folder)


def _pool(vault: Vault) -> tuple[Slices, IntArray]:
    """All slices, and their positions in shuffled order."""
    slices = vault.prepared.slices(vault.prepared.table.cases[::-1])
    return slices, np.random.default_rng(0).permutation(len(slices))


def _annotate(oracle: Oracle, vault: Vault, positions: IntArray, seed: int = 3) -> Annotation:
    """Call the oracle and check what every answer must satisfy."""
    slices, _ = _pool(vault)
    name, where = type(oracle).__name__, f"for {len(positions)} slices"
    try:
        given = oracle.annotate(vault, slices, positions, seed)
    except Exception as error:
        raise AssertionError(f"{name} failed {where}: {type(error).__name__}: {error}") from error
    demand(isinstance(given, Annotation), oracle, f"gave no Annotation {where}: {type(given).__name__}.")
    demand(np.array_equal(given.positions, positions), oracle, f"gave other positions than it was given {where}.")
    labels, wanted = given.labels, (len(positions), SIZE, SIZE)
    demand(isinstance(labels, np.ndarray), oracle, f"gave labels that are no array {where}.")
    demand(labels.dtype == np.uint8, oracle, f"gave labels of type {labels.dtype} {where}; use uint8.")
    demand(labels.shape == wanted, oracle, f"gave labels of shape {labels.shape} {where}; {wanted} was wanted.")
    unknown = sorted(set(np.unique(labels).tolist()) - {*range(vault.classes), IGNORE})
    demand(not unknown, oracle, f"gave labels {unknown} {where}: no class of the data, and not {IGNORE} = unmarked.")
    cost = given.cost
    demand(
        isinstance(cost, float) and 0 <= cost < float("inf"), oracle, f"gave the cost {cost!r} {where}; a float >= 0."
    )
    return given


def labels_of_the_positions(oracle: Oracle) -> None:
    """It gives (B, H, W) uint8 labels of the positions, in their order, of known classes or IGNORE, and marks some."""
    vault = _sample().vault()
    _, positions = _pool(vault)
    given = _annotate(oracle, vault, positions)
    demand(bool((given.labels != IGNORE).any()), oracle, "marks no pixel of any slice.")
    for count in (1, 3):
        _annotate(oracle, vault, positions[:count])


def same_labels_for_the_same_seed(oracle: Oracle) -> None:
    """It gives the same labels and cost for the same seed, whatever it annotated before."""
    vault = _sample().vault()
    _, positions = _pool(vault)
    first = _annotate(oracle, vault, positions)
    _annotate(oracle, vault, positions[:3], seed=8)
    again = _annotate(oracle, _sample().vault(), positions)
    same = np.array_equal(first.labels, again.labels) and first.cost == again.cost
    demand(same, oracle, "gives other labels when called again with the same seed.")


def labels_stay_with_their_slice(oracle: Oracle) -> None:
    """It gives a slice the same labels alone, in a batch and in another order."""
    vault = _sample().vault()
    _, positions = _pool(vault)
    together = _annotate(oracle, vault, positions).labels
    backwards = _annotate(oracle, vault, positions[::-1].copy()).labels[::-1]
    demand(np.array_equal(together, backwards), oracle, "gives a slice other labels in another order; draw per slice.")
    for row in (0, len(positions) // 2, len(positions) - 1):
        alone = _annotate(oracle, vault, positions[row : row + 1]).labels[0]
        demand(np.array_equal(together[row], alone), oracle, "gives a slice other labels alone than in a batch.")


def random_by_the_seed_alone(oracle: Oracle) -> None:
    """It neither uses nor changes the global generators of Python, NumPy and torch."""
    found = []
    for seed in (1, 2):
        vault = _sample().vault()
        _, positions = _pool(vault)
        with global_seeds(seed, oracle):
            found.append(_annotate(oracle, vault, positions).labels)
    demand(np.array_equal(found[0], found[1]), oracle, "labels by a global random state; draw from the seed.")


def entered_in_the_ledger(oracle: Oracle) -> None:
    """Every slice it annotates is in the ledger as training labels, at the cost of the annotation."""
    vault = _sample().vault()
    _, positions = _pool(vault)
    for part in (positions[:1], positions):
        given = _annotate(oracle, vault, part)
        entries = vault.ledger.drain()
        kinds = {(entry["who"], entry["what"]) for entry in entries}
        demand(kinds == {("oracle", "training labels")}, oracle, f"is in the ledger as {kinds or 'nothing'}.")
        slices = sum(int(str(entry["slices"])) for entry in entries)
        demand(slices == len(part), oracle, f"annotated {len(part)} slices and has {slices} in the ledger.")
        cost = sum(float(str(entry["cost"])) for entry in entries)
        demand(bool(np.isclose(cost, given.cost)), oracle, f"costs {given.cost:g} and has {cost:g} in the ledger.")


def cost_adds_up(oracle: Oracle) -> None:
    """The cost of a batch is the sum of the costs of its slices, and not zero."""
    vault = _sample().vault()
    _, positions = _pool(vault)
    whole = _annotate(oracle, vault, positions).cost
    parts = sum(_annotate(oracle, vault, part).cost for part in (positions[:1], positions[1:4], positions[4:]))
    demand(whole > 0, oracle, "costs nothing.")
    demand(bool(np.isclose(whole, parts)), oracle, f"costs {whole:g} for all slices at once and {parts:g} in parts.")


def labels_from_the_vault_alone(oracle: Oracle) -> None:
    """It gets labels through the vault: those of sealed cases raise DataError."""
    vault = _sample().vault()
    slices, positions = _pool(vault)
    sealed = replace(vault, sealed=frozenset(slices.table.cases))
    try:
        oracle.annotate(sealed, slices, positions, 3)
    except DataError:
        return
    raise AssertionError(f"{type(oracle).__name__} labels slices of sealed cases: it does not read through the vault.")


def refuses_cases_without_labels(oracle: Oracle) -> None:
    """``check`` accepts cases with masks and scribbles, and raises DataError naming a case that has neither."""
    cases = [replace(case, has_scribble=True) for case in _sample().vault().prepared.cases]
    try:
        oracle.check(cases)
    except DataError as error:
        raise AssertionError(f"{type(oracle).__name__} refuses cases with masks and scribbles: {error}") from error
    bare = replace(cases[1], has_mask=False, has_scribble=False)
    try:
        oracle.check([cases[0], bare, cases[2]])
    except DataError as error:
        demand(bare.case in str(error), oracle, f"does not name case {bare.case!r} that it refuses: {error}")
    else:
        raise AssertionError(f"{type(oracle).__name__} accepts a case without labels; check(cases) raises DataError.")
    demand(isinstance(oracle.origin(cases), str), oracle, "gives an origin that is no text.")


def survives_pickling(oracle: Oracle) -> None:
    """A pickled copy, as a worker process gets it, gives the same labels."""
    vault = _sample().vault()
    _, positions = _pool(vault)
    first, other = (_annotate(one, vault, positions).labels for one in (oracle, pickled(oracle)))
    demand(np.array_equal(first, other), oracle, "gives other labels after pickling.")


Check = Callable[[Oracle], None]

CHECKS: tuple[Check, ...] = (
    labels_of_the_positions,
    same_labels_for_the_same_seed,
    labels_stay_with_their_slice,
    random_by_the_seed_alone,
    entered_in_the_ledger,
    cost_adds_up,
    labels_from_the_vault_alone,
    refuses_cases_without_labels,
    survives_pickling,
)
"""Checks of every oracle."""


def check(oracle: Oracle) -> None:
    """Run all checks. Raises AssertionError for the first fault."""
    for one in CHECKS:
        one(oracle)
