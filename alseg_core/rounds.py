"""The content of ``rounds.jsonl``: one line per finished round, each with a checksum over itself and the line before.

So a line that was edited, copied from elsewhere, doubled or moved is found. Lines of older versions have no checksum,
and do not say whose they are either.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

from alseg_core.errors import ResultsError
from alseg_core.intact import content_of
from alseg_core.vocabulary import RoundRecord

CHECK = "check"
"""Key of a line's checksum."""
END = re.compile(rb',"check":"[0-9a-f]{32}"}$')
"""End of a line that was written whole."""


@dataclasses.dataclass(frozen=True)
class Rounds:
    """The finished rounds of a run."""

    records: tuple[RoundRecord, ...] = ()
    """Their records in order."""
    text: str = ""
    """Their lines."""
    check: str = ""
    """Checksum of the last line; empty if it has none."""

    @classmethod
    def read(cls, path: Path) -> Rounds:
        """Read a file, which need not exist. A last line that is cut off is no finished round and is left out.

        Line ends may be those of Windows, and blank lines do not count. Raises ResultsError for any other damage.
        """
        rounds = cls()
        rows = (content_of(path) or b"").rstrip().split(b"\n")
        for number, row in enumerate(rows, start=1):
            if not row.strip():
                continue
            try:
                rounds = rounds._with_line(row)
            except (ValueError, RecursionError) as error:
                if number == len(rows) and isinstance(error, json.JSONDecodeError) and not END.search(row):
                    break
                count = len(rounds.records)
                first = f"keep only its first {count} line{'s' * (count > 1)} to redo the rounds after them, "
                raise ResultsError(
                    f"{path}, line {number} is damaged ({str(error) or type(error).__name__}); put back a copy of the "
                    f"file, {first if count else ''}or delete the run folder to redo the run."
                ) from None
        return rounds

    def with_record(self, record: RoundRecord) -> Rounds:
        """Return the rounds and one more."""
        body = json.dumps(dataclasses.asdict(record), separators=(",", ":"), allow_nan=False)[:-1]
        check = _checksum(body, self.check)
        line = body + _end(check)
        return Rounds((*self.records, record), f"{self.text}{line}\n", check)

    def _with_line(self, line: bytes) -> Rounds:
        """Return the rounds and that of one more line. Raises ValueError if it does not follow them."""
        text = line.decode().strip()
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it is no record of a round")
        check = str(content.pop(CHECK, ""))
        try:
            record = RoundRecord(**content)
        except TypeError:
            raise ValueError("it is no record of a round") from None
        if type(record.round) is not int or record.round != len(self.records):
            raise ValueError(f"it holds round {json.dumps(record.round)}, wanted {len(self.records)}")
        if self.records and record.fingerprint != self.records[-1].fingerprint and self.check:
            raise ValueError(f"it is of another run, with seed {record.seed}")
        if not check and _is_newer(record):
            raise ValueError("its checksum is missing: the line was changed after it was written")
        body, end = text[: -len(_end(check))], text[-len(_end(check)) :]
        if (check or self.check) and (check, end) != (_checksum(body, self.check), _end(check)):
            raise ValueError("its checksum does not fit: the line was changed after it was written")
        return Rounds((*self.records, record), f"{self.text}{text}\n", check)


def _is_newer(record: RoundRecord) -> bool:
    """Return whether a round has fields that came with the checksums of lines."""
    fields = (record.seed, record.fingerprint, record.data_key, record.made_by, record.files)
    return fields != (None, None, None, {}, {})


def _checksum(body: str, before: str) -> str:
    """Return the checksum of a line up to its own checksum; before: that of the line before it."""
    return hashlib.sha256(f"{before}{body}".encode()).hexdigest()[:32]


def _end(check: str) -> str:
    return f',"{CHECK}":"{check}"}}'
