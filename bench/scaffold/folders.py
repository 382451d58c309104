"""Where the scans of a folder are: images/ and labels/, nnU-Net's imagesTr/ and labelsTr/, or as the user says."""

from __future__ import annotations

from pathlib import Path

from alseg_core.data.readers.nifti_files import Folders, files_in
from alseg_core.errors import ConfigError, DataError, some

IMAGES = ("images", "imagesTr")
LABELS = ("labels", "labelsTr")


def find_folders(root: Path, images: str | None = None, labels: str | None = None) -> Folders:
    """Return the folders of images and labels below ``root``, each with at least one NIfTI file.

    images, labels: named by the user, as paths below ``root`` or from the current folder.

    Raises DataError: no such folder or no NIfTI file in it; ConfigError: a named folder is not below ``root``.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; name the folder with your scans.")
    found = {
        "images": _below(root, images, "--images") if images else _first(root, IMAGES, "images", "--images"),
        "labels": _below(root, labels, "--labels") if labels else _first(root, LABELS, "labels", "--labels"),
    }
    for part, name in found.items():
        if not files_in(root / name, []):
            what = "the scans" if part == "images" else "their masks"
            raise DataError(f"{root / name} holds no .nii.gz or .nii file; {what} were wanted there, in NIfTI format.")
    return Folders(**found)


def _first(root: Path, names: tuple[str, ...], what: str, option: str) -> str:
    """Return the first of the names that is a folder of ``root``. Raises DataError if none is."""
    for name in names:
        if (root / name).is_dir():
            return name
    why = "" if what == "images" else ": without masks, no prediction can be scored"
    wanted = " or ".join(f"{name}/" for name in names)
    raise DataError(
        f"{root} has no folder {wanted}{why}. It holds {_contents(root)}. Name the folder of the {what} with {option} "
        "DIR; every image needs a mask of the same file name."
    )


def _contents(root: Path) -> str:
    entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    return some([f"{path.name}/" if path.is_dir() else path.name for path in entries]) or "nothing"


def _below(root: Path, given: str, option: str) -> str:
    """Return a folder's path from ``root``. Raises ConfigError if it is not below."""
    for path in (root / given, Path(given).expanduser()):
        if path.is_dir() and path.resolve().is_relative_to(root.resolve()) and path.resolve() != root.resolve():
            return str(path.resolve().relative_to(root.resolve()))
    raise ConfigError(f"{option} {given}: a folder below {root} was wanted, which holds {_contents(root)}.")
