"""Whether the scans of a project are still those that it was started with; annotation takes weeks."""

from __future__ import annotations

import json

from alseg_core.atomic import write_atomic
from alseg_core.config import RunConfig
from alseg_core.data.contents import Contents
from alseg_core.errors import ResultsError, some
from alseg_core.intact import mapping_of
from bench.project.project import Project
from bench.project.scans import references

LIST = "scans.json"
"""File of the project that lists the files of its scans."""


def remember(project: Project, config: RunConfig) -> None:
    """List the files of the scans."""
    write_atomic(project.folder / LIST, json.dumps(_files(project, config), indent=1))


def known_cases(project: Project) -> list[str]:
    """Return the scans that the project was started with, as far as the list tells."""
    files = mapping_of(project.folder / LIST) or {}
    return sorted({name.partition(" image ")[0] for name in files if " image " in name})


def check_scans(project: Project, config: RunConfig) -> None:
    """Raise ResultsError naming files that were added, taken away or changed since the project was started."""
    known = mapping_of(project.folder / LIST)
    if known is None:
        raise ResultsError(f"{project.folder / LIST} is missing; put back a copy.")
    now = _files(project, config)
    changes = {
        "added, take out": sorted(set(now) - set(known)),
        "missing, put back": sorted(set(known) - set(now)),
        "changed, put back the former one of": sorted(
            name for name in set(now) & set(known) if now[name] != known[name]
        ),
    }
    told = [f"{what} {some(names)}" for what, names in changes.items() if names]
    if told:
        raise ResultsError(
            f"the scans in {config.dataset.root} are not those that {project.folder} was started with, and slices "
            f"were chosen among those: {'; '.join(told)}. Others need a project of their own."
        )


def _files(project: Project, config: RunConfig) -> dict[str, str]:
    """Return "case part file" -> checksum of every file of the scans."""
    contents = Contents.in_store(project.folder / "store")
    found = {
        f"{case} {part} {path.name}": contents.of(path)
        for case, ref in references(project, config).items()
        for part, path in ref.files.items()
    }
    contents.save()
    return found
