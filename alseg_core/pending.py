"""``pending.json``: the slices that a round has chosen and whose labels are not all there yet.

A run whose labels come from people stops here, and goes on from here, whatever happens in between.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alseg_core.atomic import write_atomic
from alseg_core.errors import ResultsError
from alseg_core.intact import mapping_of

NAME = "pending.json"
"""Name of the file in the run folder."""
CHECK = "check"
"""Key of the checksum of the other fields."""


@dataclass(frozen=True)
class Pending:
    """What a round has chosen, and what choosing it took."""

    round: int
    """0-based number of the round."""
    selected: list[dict[str, Any]]
    """One entry per slice, as in :class:`alseg_core.vocabulary.RoundRecord`, in the order of picking."""
    fingerprint: str
    """Fingerprint of the run's configuration."""
    data_key: str
    """Key of the prepared data."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of embedding, appraising and selecting."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    """CPU time of embedding and selecting."""
    signals: dict[str, Any] = field(default_factory=dict)
    """Facts that the parts report, for the record of the round."""
    declined: list[dict[str, Any]] = field(default_factory=list)
    """Slices that were asked for and will not be annotated; they stay in the pool."""

    def write(self, folder: Path) -> None:
        """Write the file into a run folder."""
        content = asdict(self)
        write_atomic(folder / NAME, json.dumps({**content, CHECK: _checksum(content)}, indent=1))

    @classmethod
    def read(cls, folder: Path) -> Pending | None:
        """Return the content of the file in a run folder, None if there is none. Raises ResultsError: damaged."""
        path = folder / NAME
        content = mapping_of(path)
        if content is None:
            return None
        check = content.pop(CHECK, None)
        try:
            pending = cls(**content)
        except TypeError:
            check, pending = None, cls(0, [], "", "")
        if check != _checksum(content):
            raise ResultsError(
                f"{path} is damaged or was changed; put back a copy. Without it, the slices of the round are chosen "
                "once more, which gives the same ones as long as nothing else changes: delete it for that."
            )
        return pending


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
