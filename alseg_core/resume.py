"""What an interrupted run needs to go on: the slices of its finished rounds, and whether code or machine changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.errors import ResultsError
from alseg_core.provenance import changes, maker_of
from alseg_core.results import RunFolder
from alseg_core.vocabulary import IntArray, RoundRecord


def picks(records: Sequence[RoundRecord], table: SliceTable) -> list[IntArray]:
    """Return the positions in ``table`` that each finished round selected.

    Raises ResultsError when they are not distinct slices of it: the lines of older versions have no checksum.
    """
    found: list[IntArray] = []
    seen: set[int] = set()
    for record in records:
        chosen = positions(record.selected, table)
        if chosen is None or seen.intersection(chosen.tolist()):
            raise ResultsError(
                f"rounds.jsonl is damaged: round {record.round + 1} has slices that are not in the run's data, or that "
                "an earlier round has; put back a copy of the file, or delete the run folder to redo the run."
            )
        seen.update(chosen.tolist())
        found.append(chosen)
    return found


def positions(selected: Sequence[Mapping[str, object]], table: SliceTable) -> IntArray | None:
    """Return the positions in ``table`` of the entries of a selection; None unless they are distinct slices of it."""
    position = {table.locate(i): i for i in range(len(table))}
    try:
        found = [position[str(entry["case"]), int(str(entry["z"]))] for entry in selected]
    except (KeyError, ValueError, TypeError):
        return None
    return np.array(found, dtype=np.int64) if found and len(set(found)) == len(found) else None


def lost(results: RunFolder, records: Sequence[RoundRecord], rounds: int) -> list[str]:
    """Return a line if there are models of later rounds, of the run's ``rounds``, than an interruption leaves."""
    last = max((n for n in range(rounds) if (results.path / f"state_{n}.pt").exists()), default=0)
    if last <= len(records):
        return []
    return [
        f"there are models of round {last + 1} but {len(records)} finished rounds: rounds that rounds.jsonl has lost "
        "are done again"
    ]


def environment(
    results: RunFolder, records: Sequence[RoundRecord], made_by: Mapping[str, str | None], save: Callable[[], None]
) -> Iterator[str]:
    """Keep environment.json, which tells of the first round, or ``save`` it; yield what the user should know.

    made_by: what makes the next round (:func:`alseg_core.provenance.maker`).
    """
    fault = results.fault("environment.json", records)
    known = {} if fault else results.environment()
    if fault:
        yield f"{fault}; it was written again, as of this machine"
    if not known or not records:
        save()
    if records and (changed := changes(maker_of(records[-1], known), made_by)):
        yield (
            f"round {len(records) + 1} is made by other code or on another machine than the one before "
            f"({', '.join(changed)}); the report warns of it"
        )
