"""Which classes the parts of a split hold: what no network can learn, and what no score can measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from alseg_core.errors import DataError, some

NAMED = 5
"""Most cases that a message names."""
PARTS = ("training", "validation", "test")


class LabelledCase(Protocol):
    """The facts that the check uses; prepared cases have them."""

    @property
    def case(self) -> str:
        """Unique id of the scan."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Classes that its labels hold; empty without labels."""

    @property
    def constant(self) -> bool:
        """Whether its image has one value only."""


def check_classes(
    names: Sequence[str],
    train: Sequence[LabelledCase],
    val: Sequence[LabelledCase],
    test: Sequence[LabelledCase],
) -> tuple[str, ...]:
    """Return what to know about the data before trusting a score: classes and images that say nothing.

    names: those of the classes, background first. Raises DataError for structures that no case holds, or no training
    case.
    """
    parts = dict(zip(PARTS, (train, val, test), strict=True))
    held = {part: {label for case in cases for label in case.classes} for part, cases in parts.items()}
    if not any(label for labels in held.values() for label in labels):
        raise DataError(
            f"all labels are empty: the {sum(map(len, parts.values()))} cases hold background only, and the classes "
            f"are {', '.join(names)}. Are these the right files, and does the reader's field values name their values?"
        )
    lost, unlearnt, warnings = [], [], []
    for label, name in enumerate(names):
        lacking = [part for part in PARTS if label not in held[part]]
        where = f"class {label} ({name})"
        if label == 0 and lacking:  # cropped to the structure, or not marked by scribbles
            warnings.append(f"{where} is in no {' and no '.join(lacking)} case")
        elif len(lacking) == len(PARTS):
            lost.append(where)
        elif "training" in lacking:
            others = [case.case for part in PARTS[1:] for case in parts[part] if label in case.classes]
            unlearnt.append(f"{where}, which {some(others, NAMED)} hold{'s' if len(others) == 1 else ''}")
        elif lacking:
            warnings.append(f"{where} is in no {' and no '.join(lacking)} case: its score there is undefined")
    if lost:
        raise DataError(
            f"{', '.join(lost)} {'is' if len(lost) == 1 else 'are'} in no case at all. Leave it out of the reader's "
            "labels and of classes, or correct the reader's field values."
        )
    if unlearnt:
        raise DataError(
            f"no training case holds {'; nor '.join(unlearnt)}. No network can learn that: divide the patients "
            "otherwise (another seed of the split, or a split by patient), or leave the class out."
        )
    constant = [case.case for cases in parts.values() for case in cases if case.constant]
    if constant:
        warnings.append(f"the image of {some(constant, NAMED)} is constant: it shows nothing to segment")
    return tuple(warnings)
