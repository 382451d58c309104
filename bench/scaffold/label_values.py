"""Which values the label files hold, and what the classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from alseg_core.class_names import ClassNames
from alseg_core.data.nifti import Box, stored_labels
from alseg_core.data.readers.reader import CaseRef, wrong
from alseg_core.errors import DataError, some
from alseg_core.vocabulary import IGNORE
from bench.scaffold.dataset_json import DatasetJson

MOST_CLASSES = 200
"""Label files with more values are no label files."""


@dataclass(frozen=True)
class LabelValues:
    """The values in the masks and scribbles of a folder."""

    values: tuple[int, ...]
    """Stored value of each class, background first."""
    scans: Mapping[int, int]
    """Stored value -> masks that hold it."""
    held: Mapping[str, tuple[int, ...]]
    """Case with a mask -> numbers of the classes it holds."""
    boxes: Mapping[str, Box]
    """Case with a mask that is not empty -> box of its voxels other than 0."""
    unmarked: int = IGNORE
    """Stored value of unmarked pixels in scribbles."""

    @property
    def plain(self) -> bool:
        """Whether the stored values are the class numbers themselves."""
        return self.values == tuple(range(len(self.values)))


def read_values(
    refs: Sequence[CaseRef], facts: DatasetJson, where: str, progress: Callable[[int, int, str], None] | None = None
) -> LabelValues:
    """Read the label files of all cases.

    where: the data, for messages. Raises DataError: files that cannot be read or hold no labels, masks without
    foreground, scribbles whose unmarked pixels cannot be told.
    """
    masks: dict[str, tuple[int, ...]] = {}
    boxes: dict[str, Box] = {}
    drawn: set[int] = set()
    problems: list[str] = []
    for at, ref in enumerate(refs):
        for part in {"mask", "scribble"} & set(ref.files):
            try:
                found, box = stored_labels(ref.files[part])
            except DataError as error:
                problems.append(str(error))
                continue
            if part == "mask":
                masks[ref.case] = found
                boxes |= {ref.case: box} if box else {}
            else:
                drawn |= set(found)
        if progress is not None:
            progress(at + 1, len(refs), ref.case)
    if problems:
        raise wrong(problems, where)
    scans = Counter(value for found in masks.values() for value in found)
    values = tuple(sorted(scans, key=lambda value: (value != 0, value)))
    _check(values, facts, where)
    number = {value: at for at, value in enumerate(values)}
    held = {case: tuple(number[value] for value in found) for case, found in masks.items()}
    return LabelValues(values, dict(scans), held, boxes, _unmarked(drawn, values, facts))


def _check(values: Sequence[int], facts: DatasetJson, where: str) -> None:
    if len(values) < 2:
        raise DataError(
            f"{where}: all masks hold one value only ({some([str(value) for value in values])}), so there is nothing "
            "to segment. Are these the masks? Another folder is named with --labels DIR."
        )
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"{where}: the masks hold {len(values)} different values, {values[0]} to {max(values)}; are these label "
            "files? Another folder is named with --labels DIR."
        )
    if facts.ignored in values:
        raise DataError(
            f"{where}: dataset.json calls value {facts.ignored} 'ignore', and masks hold it. Masks must be complete; "
            "labels of some pixels only are scribbles, and belong in a folder scribbles/ beside complete masks."
        )


def _unmarked(drawn: set[int], values: Sequence[int], facts: DatasetJson) -> int:
    """Return the value of unmarked pixels. Raises DataError where it cannot be told."""
    if not drawn:  # the reader wants one that no class has
        return next(value for value in range(IGNORE, -1, -1) if value not in values)
    others = sorted(drawn - set(values))
    if len(others) == 1:
        return others[0]
    if facts.ignored in others:
        return facts.ignored
    known = ", ".join(map(str, values))
    if not others:
        raise DataError(
            f"scribbles hold the values of classes only ({known}), so that nothing tells unmarked pixels. Give those a "
            f"value of their own, such as {IGNORE}, or take scribbles/ out of the folder."
        )
    listed = some([str(value) for value in others])
    raise DataError(
        f"scribbles hold {listed} beside the values of the masks ({known}); one more was wanted, for unmarked."
    )


def class_names(found: LabelValues, facts: DatasetJson) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes, background first, and where they come from."""
    names = tuple(
        facts.classes.get(value) or (f"class_{number}" if number else "background")
        for number, value in enumerate(found.values)
    )
    try:
        TypeAdapter(ClassNames).validate_python(names)
    except ValidationError:
        facts = DatasetJson()
        names = ("background", *(f"class_{number}" for number in range(1, len(found.values))))
    named = [value for value in found.values if value in facts.classes]
    if not named:
        origin = "named by number; write what the values mean"
    else:
        origin = "named by dataset.json" if len(named) == len(names) else "named by dataset.json in part"
    lowest = found.values[0]
    return names, origin if lowest == 0 else f"{origin}; no mask holds 0, so the lowest value, {lowest}, is background"
