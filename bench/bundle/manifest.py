"""``bundle.json``: what a bundle says of itself and of its other members."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alseg_core.errors import ResultsError
from alseg_core.visible import visible
from bench.bundle.archive import MANIFEST
from bench.study import foreign

FORMAT: Final = "alseg bundle"
"""What every bundle calls itself."""
SCHEMA: Final = 1
"""Version of the format; raised with any change that an older version would misread."""
WAYS: Final = "--tuning FOLDER, --tuning none or --by-hand TEXT"
"""Ways to say how settings were chosen."""
WORDS: Final = 2000
"""Most characters of a declaration in words."""
PLACE = 100
"""Characters of the place of a fault, which holds names from the file."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Read(_Part):
    """Labels that somebody read."""

    who: str
    """Part of the program that read them."""
    what: str
    """Kind of labels, as in the ledger."""
    slices: int = Field(ge=0)
    """Number of slices."""


class Tuning(_Part):
    """What a tuning of a recipe looked at, by the ledgers and records of its runs."""

    name: str
    """Name of its folder."""
    trials: int = Field(ge=0)
    """Number of trials, those of the full loop included."""
    runs: int = Field(ge=0)
    """Number of runs."""
    sealed: int = Field(ge=0)
    """Number of runs whose vault refuses the labels of test volumes."""
    recipes: list[str]
    """Names of the recipes that its runs have."""
    seeds: list[int]
    """Root seeds of its runs."""
    data_keys: list[str]
    """Keys of the data that it ran on."""
    read: list[Read]
    """Labels that were read."""
    scored: list[str]
    """Cases that were scored."""
    annotated: list[str]
    """Cases with an annotated slice."""


class RunNote(_Part):
    """What the files of a run do not say."""

    formats: dict[str, int] | None = None
    """Format numbers of its strategy and trainer; None where its fingerprint is of an older version."""
    training: dict[str, Any] | None = None
    """Settings of its training, files of weights by content; None as above."""
    originals: dict[str, str]
    """Files of the run folder that the bundle was made of -> size and SHA-256."""


class Manifest(_Part):
    """Content of ``bundle.json``."""

    format: Literal["alseg bundle"]
    """:data:`FORMAT`."""
    schema_: Literal[1] = Field(alias="schema")
    """:data:`SCHEMA`."""
    alseg: str
    """Version of the program that packed it."""
    names: Literal["hidden", "shown"]
    """Whether cases and patients have pseudonyms."""
    files: dict[str, str]
    """Every other member -> size and SHA-256."""
    runs: dict[str, RunNote]
    """Run -> what its files do not say."""
    tunings: list[Tuning] | None
    """Tunings that recipes or settings come from, empty if there were none; None if nothing is declared."""
    by_hand: str | None = Field(default=None, min_length=1, max_length=WORDS)
    """How settings were chosen without ``alseg tune``, in the author's words; None if nothing is said."""
    facts: dict[str, Any]
    """What follows from the other members (:func:`bench.bundle.facts.facts`)."""

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of an unpacked bundle. Raises ResultsError naming the first fault."""
        content = foreign.mapping(folder / MANIFEST)
        if content.get("format") != FORMAT:
            raise ResultsError(f"it has no {MANIFEST} of the format {FORMAT!r}.")
        if content.get("schema") != SCHEMA:
            raise ResultsError(
                f"{MANIFEST} has schema {visible(json.dumps(content.get('schema')), 40)}, this version reads {SCHEMA}; "
                "use the version of alseg that packed it, or a newer one."
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = visible(".".join(map(str, first["loc"])), PLACE)
            raise ResultsError(f"{MANIFEST}, {place}: {first['msg']}.") from None

    @property
    def declared(self) -> bool:
        """Whether something is said about tuning."""
        return self.tunings is not None or self.by_hand is not None

    def text(self) -> str:
        """Return the content as JSON."""
        return json.dumps(self.model_dump(by_alias=True), indent=1, allow_nan=False)
