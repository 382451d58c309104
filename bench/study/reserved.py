"""Names that studies cannot have, because the program puts files and folders of these names beside them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from alseg_core.registry import Name

RESERVED = ("store", "ray", "report", "runs", "lock", "mlruns", "mlartifacts")
"""Folders and files in OUT, and folders that a search for results skips."""
PATTERN = re.compile(rf"({'|'.join(RESERVED)}|(mlflow|optuna)\.db([.-].*)?|tune-.*)", re.IGNORECASE)
"""Reserved names, databases with their journals, and folders of tunings; upper case is the same file on many disks."""


def _free(name: str) -> str:
    if PATTERN.fullmatch(name):
        raise ValueError(
            f"{name!r} is a name that the program uses itself in the folder of the results; choose another. Reserved "
            f"are {', '.join(RESERVED)}, mlflow.db, optuna.db and names that begin with tune-"
        )
    return name


FolderName = Annotated[Name, AfterValidator(_free)]
"""Name of a study or a tuning, whose results go to a folder in OUT."""
