"""Each run has the fingerprint of its configuration, and its rounds are its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from alseg_core.errors import AlsegError
from alseg_core.training import RANDOM
from bench.bundle.finding import Finding, note
from bench.bundle.fingerprint import fingerprint_of, with_names
from bench.bundle.opened import Bundle, label
from bench.bundle.private import ABSOLUTE, PATIENT, PSEUDONYM, pseudonym
from bench.report.runs.run import Run
from bench.study import foreign
from bench.study.catalogue import catalogue, find


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield runs whose name, fingerprint, rounds or seed do not belong together, and paths of the author's machine."""
    names = _patients(bundle)
    unknown = []
    for run in bundle.runs:
        if run.config is None:
            continue
        told = str(foreign.mapping(run.folder / "config.json")["fingerprint"])
        if not run.key.endswith(told[:8]):
            yield Finding(f"{label(run)}: its name, {run.key}, does not end in its fingerprint, {told[:8]}")
        for record in run.records:
            made = (record.fingerprint, record.data_key, record.seed)
            if made != (told, run.data_key, run.seed):
                yield Finding(
                    f"{label(run)}, round {record.round + 1} is of another run: fingerprint {made[0]}, data {made[1]}, "
                    f"seed {made[2]}"
                )
        yield from _weights(bundle, run)
        found = _fingerprint(bundle, run, names)
        if found is None:
            unknown.append(run)
        elif found != told:
            yield Finding(f"{label(run)}: its configuration has the fingerprint {found}, config.json says {told}")
    if unknown:
        yield note(
            f"the fingerprints of {len(unknown)} runs cannot be made again: bundle.json does not say of what, or the "
            "names in their split are not known here (--data)"
        )
    for file in sorted(bundle.folder.rglob("*.json*")):
        if found_path := ABSOLUTE.search(file.read_text().replace("\\/", "/").replace("\\\\", "\\")):
            place = file.relative_to(bundle.folder)
            yield Finding(f"{place} holds a path of somebody's machine, {found_path[0]}")


def known(bundle: Bundle) -> Iterator[Finding]:
    """Yield runs without what their fingerprint is made of, so that their settings may be any."""
    for run in bundle.runs:
        if run.config is not None and not _told(bundle, run):
            yield Finding(
                f"{label(run)}: its fingerprint cannot be made again, as bundle.json does not say which formats and "
                "training it is of: pack it with the version that made it"
            )


def _told(bundle: Bundle, run: Run) -> bool:
    """Return whether the bundle says what a fingerprint is made of besides the settings."""
    note_ = bundle.manifest.runs[run.key]
    return note_.formats is not None and note_.training is not None


def _weights(bundle: Bundle, run: Run) -> Iterator[Finding]:
    """Check that rounds started from the weights that the fingerprint is of."""
    training = bundle.manifest.runs[run.key].training
    if training is None or "train" in bundle.loaded[run.key].outside:
        return
    content = (training.get("network") or {}).get("weights")
    for record in run.records:
        start = record.signals.get("network")
        if (content is None) != (start is None) or str(content) not in str(start):
            where = f"{label(run)}, round {record.round + 1}"
            fingerprinted = f"those of its fingerprint from {content or RANDOM}"
            yield Finding(f"{where}: its networks started from {start or RANDOM}, and {fingerprinted}")


def _fingerprint(bundle: Bundle, run: Run, names: dict[str, str]) -> str | None:
    """Return the fingerprint of a run's configuration; None where it cannot be known."""
    note_, config = bundle.manifest.runs[run.key], run.config
    if config is None or not _told(bundle, run):
        return None
    named = with_names(config, names)
    if PSEUDONYM.search(str(named["dataset"].get("split"))):
        return None
    return fingerprint_of(named, note_)


def _patients(bundle: Bundle) -> dict[str, str]:
    """Return pseudonym -> patient, of those whom splits of the catalogue list and those in the data that are there."""
    from alseg_core.data.splits import expand

    found: set[str] = set()
    with suppress(AlsegError):  # told by the check of the split
        found.update(case.patient for cases in bundle.scanned.values() for case in cases)
    for name in {run.setting[0] for run in bundle.runs} & set(catalogue("dataset")):
        for split in (find("dataset", name).get("splits") or {}).values():
            for patients in (value for value in split.values() if isinstance(value, list)):
                found.update(expand(patients))
    return {pseudonym(patient, PATIENT): patient for patient in found}
