"""Every registered kind of annotation passes the conformance suite, and each check finds a planted fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from alseg_core.data.prepared import CaseInfo
from alseg_core.errors import DataError
from alseg_core.oracles import ORACLES, Oracle
from alseg_core.oracles.conformance import CHECKS, Check, check
from alseg_core.oracles.mask import Mask
from alseg_core.seeding import stream
from alseg_core.vocabulary import IGNORE, Annotation


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize("name", sorted(ORACLES))
def test_conforms(name: str, one: Check) -> None:
    one(ORACLES.build(name))


@pytest.mark.parametrize("one", CHECKS)
def test_simulated_scribbles_conform(one: Check) -> None:
    one(ORACLES.build({"name": "scribble", "source": "simulated", "cost": 0.2, "thickness": 1}))


class Right:
    """Masks with some pixels left unmarked at random; the faults below change one thing."""

    fill: ClassVar[int] = IGNORE
    training: ClassVar[Mapping[str, Any]] = {"network": "unet", "loss": "ce_dice"}
    cites: ClassVar[Mapping[str, str]] = {}

    def check(self, cases: Any) -> None:
        Mask().check(cases)

    def origin(self, cases: Any) -> str:
        return ""

    def annotate(self, vault, slices, positions, seed):
        labels = vault.masks(slices.rows[positions], "oracle", "training labels", 0.5)
        for label, position in zip(labels, positions, strict=True):
            rng = stream(seed, "mine", *slices.table.locate(int(position)))
            label[rng.random(label.shape) < 0.3] = IGNORE
        return self.change(Annotation(positions, labels, 0.5 * len(positions)), seed)

    def change(self, given: Annotation, seed: int) -> Any:
        return given


class Labels(Right):
    def change(self, given, seed):
        return given.labels


class Signed(Right):
    def change(self, given, seed):
        return Annotation(given.positions, given.labels.astype(np.int64), given.cost)


class Cropped(Right):
    def change(self, given, seed):
        return Annotation(given.positions, given.labels[:, 1:], given.cost)


class Scaled(Right):
    def change(self, given, seed):
        return Annotation(given.positions, np.where(given.labels == 1, 85, given.labels).astype(np.uint8), given.cost)


class Sorted(Right):
    def change(self, given, seed):
        return Annotation(np.sort(given.positions), given.labels, given.cost)


class Unmarked(Right):
    def change(self, given, seed):
        return Annotation(given.positions, np.full_like(given.labels, IGNORE), given.cost)


class Own(Right):
    def change(self, given, seed):
        given.labels[np.random.default_rng().random(given.labels.shape) < 0.5] = IGNORE
        return given


class ByBatch(Right):
    def change(self, given, seed):
        given.labels[stream(seed, "batch").random(given.labels.shape) < 0.5] = IGNORE
        return given


class Global(Right):
    def change(self, given, seed):
        given.labels[np.random.random(given.labels.shape) < 0.5] = IGNORE
        return given


class Unbilled(Right):
    def annotate(self, vault, slices, positions, seed):
        given = super().annotate(vault, slices, positions, seed)
        vault.ledger.drain()
        return given


class CheaperInTheLedger(Right):
    def change(self, given, seed):
        return Annotation(given.positions, given.labels, 2 * given.cost)


class AsValidation(Right):
    def annotate(self, vault, slices, positions, seed):
        labels = vault.masks(slices.rows[positions], "oracle", "validation masks")
        return Annotation(positions, labels, float(len(positions)))


class Discount(Right):
    def change(self, given, seed):
        return Annotation(given.positions, given.labels, given.cost**0.5)


class Free(Right):
    def change(self, given, seed):
        return Annotation(given.positions, given.labels, 0.0)


class ReadsTheFile(Right):
    def annotate(self, vault, slices, positions, seed):
        labels = np.load(vault.folder / "labels" / "masks.npy")[slices.rows[positions]]
        vault.ledger.record("oracle", "training labels", len(positions), float(len(positions)))
        return Annotation(positions, labels, float(len(positions)))


class TakesAll(Right):
    def check(self, cases: Any) -> None:
        pass


class TakesNone(Right):
    def check(self, cases: list[CaseInfo]) -> None:
        raise DataError("no.")


class Mute(Right):
    def check(self, cases: list[CaseInfo]) -> None:
        if not all(case.has_mask for case in cases):
            raise DataError("a case has no mask.")


class Unpicklable(Right):
    def __init__(self) -> None:
        self.key = lambda case: case


class ForgetsItsSetting(Right):
    def __init__(self) -> None:
        self.start = 1

    def __getstate__(self) -> dict[str, Any]:
        return {"start": 0}

    def change(self, given, seed):
        given.labels[:, : self.start] = IGNORE
        return given


FAULTS: list[tuple[type[Right], str, str]] = [
    (Labels, "labels_of_the_positions", "no Annotation"),
    (Signed, "labels_of_the_positions", "int64"),
    (Cropped, "labels_of_the_positions", "shape"),
    (Scaled, "labels_of_the_positions", r"\[85\].*no class"),
    (Sorted, "labels_of_the_positions", "other positions"),
    (Unmarked, "labels_of_the_positions", "marks no pixel"),
    (Own, "same_labels_for_the_same_seed", "same seed"),
    (ByBatch, "labels_stay_with_their_slice", "draw per slice"),
    (Global, "random_by_the_seed_alone", "global random state of numpy"),
    (Unbilled, "entered_in_the_ledger", "as nothing"),
    (CheaperInTheLedger, "entered_in_the_ledger", "in the ledger"),
    (AsValidation, "entered_in_the_ledger", "validation masks"),
    (Discount, "cost_adds_up", "in parts"),
    (Free, "cost_adds_up", "costs nothing"),
    (ReadsTheFile, "labels_from_the_vault_alone", "sealed"),
    (TakesAll, "refuses_cases_without_labels", "accepts a case without labels"),
    (TakesNone, "refuses_cases_without_labels", "refuses cases with masks"),
    (Mute, "refuses_cases_without_labels", "does not name case"),
    (Unpicklable, "survives_pickling", "cannot be pickled"),
    (ForgetsItsSetting, "survives_pickling", "after pickling"),
]


@pytest.mark.parametrize(("fault", "by", "says"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_finds(fault: type[Right], by: str, says: str) -> None:
    one = next(c for c in CHECKS if c.__name__ == by)
    with pytest.raises(AssertionError, match=says) as caught:
        one(fault())
    assert str(caught.value).startswith(fault.__name__)


def test_every_check_is_needed_and_a_right_oracle_passes_all() -> None:
    assert {by for _, by, _ in FAULTS} == {one.__name__ for one in CHECKS}
    right: Oracle = Right()
    check(right)
