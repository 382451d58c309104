"""Whether files belong to the round that they are taken for, as the manifest beside them says."""

from __future__ import annotations

from pathlib import Path

from alseg_core.errors import DataError
from alseg_core.intact import mapping_of
from bench.project.manifest import NAME, Manifest


def check_origin(manifest: Manifest, files: Path) -> None:
    """Raise DataError if a manifest in the folder of the files, or the nearest one above, is that of another round."""
    place = files.resolve()
    above = next((folder for folder in (place, *place.parents) if (folder / NAME).is_file()), None)
    below = sorted(path.parent for path in place.rglob(NAME)) if place.is_dir() else []
    for folder in dict.fromkeys([*([above] if above is not None else []), *below]):
        found = mapping_of(folder / NAME) or {}
        project, number = found.get("project"), found.get("round")
        if not isinstance(project, str) or not isinstance(number, int):  # a manifest of something else
            continue
        if project != manifest.project:
            raise DataError(
                f"{folder}: these are files of the project {project}, not of {manifest.project}; take them there."
            )
        if number != manifest.round:
            raise DataError(
                f"{folder}: these are files of round {number + 1}, not of round {manifest.round + 1}; take them with "
                f"--round {number + 1}, by this folder alone."
            )
