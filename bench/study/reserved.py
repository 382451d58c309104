"""Names that studies cannot have, because the program puts files and folders of these names beside them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from alseg_core.registry import Name

BESIDE = ("store", "ray", "report", "lock", "mlruns", "mlartifacts")
"""Folders and files of the program in OUT, beside those of studies and tunings."""
RESERVED = (*BESIDE, "runs")
"""Names that are those of the program alone; a study keeps its runs in ``runs``."""
TUNING = "tune-"
"""Beginning of the names of tunings' folders, whose trials are no results."""
PATTERN = re.compile(rf"({'|'.join(RESERVED)}|(mlflow|optuna)\.db([.-].*)?|{TUNING}.*)", re.IGNORECASE)
"""Reserved names, databases with their journals, and folders of tunings; upper case is the same file on many disks."""


def holds_no_results(folder: str) -> bool:
    """Return whether a search for results skips a folder of this name."""
    return folder in BESIDE or folder.startswith((TUNING, "."))


def _free(name: str) -> str:
    if PATTERN.fullmatch(name):
        raise ValueError(
            f"{name!r} is a name that the program uses itself in the folder of the results; choose another. Reserved "
            f"are {', '.join(RESERVED)}, mlflow.db, optuna.db and names that begin with {TUNING}"
        )
    return name


FolderName = Annotated[Name, AfterValidator(_free)]
"""Name of a study or a tuning, whose results go to a folder in OUT."""
