"""Names of runs for people: what was run, not the folder it is in."""

from __future__ import annotations

import re

from bench.report.runs.results import Results
from bench.report.setting import SETTING, title

FINGERPRINT = re.compile(r"-([0-9a-f]{8})$")
"""End of a run's key that no other run of a study has."""


def run_names(results: Results) -> dict[str, str]:
    """Return key -> name of every run, such as "coreset, seed 1 (631134c6)".

    The setting stands before it where there are several. In brackets is the end of the folder's name, or all of it.
    """
    several = len(results.runs.drop_duplicates(SETTING)) > 1
    names = {}
    for run in results.runs.to_dict("records"):
        key = str(run["key"])
        found = FINGERPRINT.search(key)
        where = f"{title((run['dataset'], run['annotation'], run['schedule']))}: " if several else ""
        names[key] = f"{where}{run['recipe']}, seed {run['seed']} ({found[1] if found else key})"
    return names
