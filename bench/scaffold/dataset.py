"""A dataset file for a folder of NIfTI scans: everything that can be inferred, each with the reason beside it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from alseg_core.data.readers.patient_facts import ONE_EACH
from alseg_core.data.readers.reader import CaseRef, wrong
from alseg_core.errors import ConfigError, DataError, SplitError, shown, some, unknown_name
from alseg_core.registry import LONGEST_NAME, NAME
from alseg_core.vocabulary import IGNORE
from bench.datasets.check import check
from bench.scaffold import sizes as by_analogy
from bench.scaffold.commands import bench_command
from bench.scaffold.dataset_json import DatasetJson, read_dataset_json
from bench.scaffold.files import check_new, render, write_new
from bench.scaffold.folders import find_folders
from bench.scaffold.label_values import LabelValues, class_names, read_values
from bench.scaffold.reader_fields import GIVEN, Inferred, infer
from bench.study import catalogue

LEAST_PATIENTS = 3
FIELD = "reader's field"
HINT = "\nA field of the reader is set here with --set FIELD=VALUE."
"""Added to messages that name a field of the reader."""
Progress = Callable[[str, int, int], None]
"""Called with (what is done, scans done, scans in total)."""


def new_dataset(
    root: Path,
    folder: Path,
    name: str | None = None,
    images: str | None = None,
    labels: str | None = None,
    given: Mapping[str, Any] | None = None,
    progress: Progress = lambda what, done, total: None,
) -> list[str]:
    """Write NAME.yaml for the scans in ``root`` into ``folder``; return lines on what was inferred and what to do next.

    All scans are read. Nothing is written unless ``alseg data check`` finds no problem in the file.

    name: None = that of the folder. images, labels: folders below ``root``. given: fields of the reader that
    the user sets.

    Raises ConfigError: a bad or taken name, a file that exists; DataError: scans that no dataset file can describe.
    """
    name = _checked(name, root)
    path = folder / f"{name}.yaml"
    check_new(path)
    folders = find_folders(root, images, labels)
    try:
        inferred = infer(root, folders, _known(given or {}))
    except DataError as error:
        raise DataError(f"{error}{HINT if FIELD in str(error) else ''}") from None
    _check_patients(inferred)
    facts = read_dataset_json((root / folders.images).parent)
    found = read_values(
        inferred.refs, facts, f"the data at {root}", lambda done, total, _: progress("labels", done, total)
    )
    classes, inferred.why["classes"] = class_names(found, facts)
    text = _text(name, root, inferred, facts, found, classes)
    with tempfile.TemporaryDirectory() as trial:
        written = Path(trial) / path.name
        written.write_text(text, encoding="utf-8")
        lines, problems = check(str(written), str(root), None, lambda done, total, _: progress("scans", done, total))
    if problems:
        why = [line for line in lines if line.startswith("preset ") and "does not work" in line]
        said = str(wrong(problems, f"the data at {root}"))
        raise DataError("\n".join([*why, said, f"{path.name} was not written.{HINT if FIELD in said else ''}"]))
    write_new({path: text})
    remarks = [f"{key}: {why}" for key, why in inferred.why.items()] + ([facts.trouble] if facts.trouble else [])
    return [
        f"wrote {path}. Inferred from the scans; check each line, and change {path} where it is wrong:",
        *(f"  {line}" for line in lines),
        *(f"  please check {remark}" for remark in remarks),
        "The preset quick follows from sizes and by analogy with ACDC; no study has measured its settings.",
        "next:",
        f"  alseg data check {quote(str(path))} --data {quote(str(root))}    # draws slices with their labels",
        f"  {bench_command(f'quick-{name}', datasets=str(path), data=str(root))}",
    ]


def _known(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields that the user sets. Raises ConfigError for one that cannot be set here."""
    for key in given:
        if key not in GIVEN:
            raise ConfigError(unknown_name("field of a reader that --set takes here", key, GIVEN))
    return given


def _checked(name: str | None, root: Path) -> str:
    """Return the name of the dataset. Raises ConfigError for one that cannot be used."""
    usable = name if name is not None else re.sub(r"[^A-Za-z0-9_.+-]+", "_", root.resolve().name).strip("_.+-")
    if not NAME.fullmatch(usable) or usable.endswith(".") or len(usable) > LONGEST_NAME:
        whose = shown(name) if name is not None else f"{shown(usable)} from the folder {root}"
        raise ConfigError(
            f"the name of a dataset has letters without accents, digits, '_', '.', '+' and '-', got {whose}; give one "
            "with --name NAME."
        )
    if usable in catalogue("dataset"):
        raise ConfigError(f"a dataset that comes with the program is named {usable}; give another with --name NAME.")
    return usable


def _check_patients(inferred: Inferred) -> None:
    patients = sorted({ref.patient for ref in inferred.refs})
    if len(patients) >= LEAST_PATIENTS:
        return
    count = "1 patient" if len(patients) == 1 else f"{len(patients)} patients"
    why = f" ({inferred.why['pattern']})" if "pattern" in inferred.fields else ""
    raise SplitError(
        f"these {len(inferred.refs)} scans are of {count}, {some(patients)}{why}; training, "
        f"validation and test need at least {LEAST_PATIENTS}. If other parts of the file names are the patients, say "
        f"so with --pattern REGEX; --pattern '{ONE_EACH}' makes every scan a patient."
    )


def _text(
    name: str, root: Path, inferred: Inferred, facts: DatasetJson, found: LabelValues, classes: Sequence[str]
) -> str:
    """Return the text of the dataset file."""
    refs = inferred.refs
    fields: dict[str, Any] = {"labels": list(range(len(found.values)))}
    if not found.plain:
        fields["values"] = list(found.values)
    if found.unmarked != IGNORE:
        fields["unmarked"] = found.unmarked
    reader = inferred.reader(**fields)
    sizes = by_analogy.read_sizes(reader, refs, found.boxes)
    held = dict(found.held)
    split = by_analogy.split(refs, sizes, held, classes)
    parts = by_analogy.divide(refs, sizes, held, split)
    pool = sum(scan.depth for scan in parts[0])
    if ct := facts.ct or by_analogy.looks_like_ct(reader, refs):
        origin = "dataset.json says CT" if facts.ct else "intensities look like those of CT"
        inferred.why["window_hu"] = f"{origin}, so a window for soft tissue was taken; choose that of your structures"
    size, spacing_mm = by_analogy.grid(by_analogy.field(sizes, parts[0]), sizes)
    inferred.why["prepare"] = f"the grid of {size} x {size} pixels holds the whole slice of every scan"
    if size * spacing_mm < sizes.widest_mm:
        inferred.why["prepare"] = (
            f"the grid of {size * spacing_mm:.4g} mm around the middle of slices holds the structures of the training "
            "masks and a margin; what others have outside counts as missed, and a larger spacing_mm (at most "
            f"{sizes.widest_mm / size:.4g}) shows more, but coarser"
        )
    return render(
        "dataset.yaml.j2",
        name=name,
        root=str(root.resolve()),
        facts=facts,
        reader={**inferred.fields, **fields},
        why=inferred.why,
        patients=_patients(refs),
        classes=list(classes),
        counts=[(value, found.scans.get(value, 0)) for value in found.values],
        sizes=sizes,
        ct=ct,
        size=size,
        spacing_mm=spacing_mm,
        split=split,
        patients_of=[len({ref.patient for ref in refs if ref.case in {scan.case for scan in part}}) for part in parts],
        pool=pool,
        budgets=by_analogy.budgets(pool),
        steps=by_analogy.steps(pool),
        least=by_analogy.LEAST_STEPS,
        deep=size >= by_analogy.DEEP,
    )


def _patients(refs: Sequence[CaseRef]) -> str:
    scans: dict[str, list[str]] = {}
    for ref in refs:
        scans.setdefault(ref.patient, []).append(ref.case)
    patient = max(scans, key=lambda one: len(scans[one]))
    return f"{len(refs)} scans of {len(scans)} patients; for example patient {patient}: {some(scans[patient], 4)}"
