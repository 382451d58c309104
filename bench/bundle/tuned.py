"""What a tuning looked at: by the ledgers and records of all its runs."""

from __future__ import annotations

from pathlib import Path

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from bench.bundle.manifest import Read, Tuning
from bench.bundle.private import Private
from bench.tuning.label_audit import LabelAudit


def looked_at(folder: Path, private: Private) -> Tuning:
    """Return what the tuning in a folder looked at. Raises ResultsError where there is none."""
    places = [RunFolder(path) for path in sorted(folder.glob("trials/*/runs/*"))]
    known = [place for place in places if place.identity() is not None]
    if not known:
        raise ResultsError(
            f"{folder} holds no trials of a tuning; name a folder that alseg tune made, such as "
            "runs/tune-NAME-DATASET, or --tuning none."
        )
    audit = LabelAudit.of(folder)
    configs = [place.config() for place in known]
    return Tuning(
        name=private.text(folder.resolve().name),
        trials=len({place.path.parent.parent for place in known}),
        runs=audit.runs,
        sealed=audit.sealed,
        recipes=sorted({str(config["recipe"]["name"]) for config in configs}),
        seeds=sorted({int(config["seed"]) for config in configs}),
        data_keys=sorted({str((place.identity() or {})["data_key"]) for place in known}),
        read=[Read(who=who, what=what, slices=count) for (who, what), count in sorted(audit.slices.items())],
        scored=sorted(private.case(case) for case in audit.scored),
        annotated=sorted(private.case(case) for case in audit.bought),
    )
