"""The parts of a run's files that a report reads, and their types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from alseg_core.embed.quality import QUALITY
from alseg_core.errors import ResultsError
from alseg_core.metrics.metric import ASSD, DICE, HD95, METRICS, NSD
from alseg_core.visible import visible
from alseg_core.vocabulary import RoundRecord
from bench.report.runs.columns import TAKEN

LONGEST_PLACE = 100
"""Characters of the place of a fault, which holds names from the file."""
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
"""How a round writes the time at which it ended."""
OLDEST = 2000
"""Year before which no round ended."""
MOST_RUNS = 100_000
"""Most runs that a study.json may list."""


def _folder(name: str) -> str:
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"{name!r} is not the name of a folder")
    return name


def _column(name: str) -> str:
    if name in TAKEN:
        raise ValueError(f"{name!r} is the name of another column")
    return name


def _moment(text: str) -> str:
    if datetime.strptime(text, MOMENT).year < OLDEST:
        raise ValueError(f"{text!r} is before {OLDEST}")
    return text


Name = Annotated[str, Field(max_length=255)]
"""Name of a dataset, recipe, case and so on; longer ones are not read."""
FolderName = Annotated[Name, AfterValidator(_folder)]
ColumnName = Annotated[Name, AfterValidator(_column)]
Fact = str | int | float | None
Count = Annotated[int, Field(ge=0)]
Budgets = Annotated[list[int | float], Field(min_length=1, max_length=1000)]
Size = Annotated[float, Field(ge=0)]
Moment = Annotated[str, AfterValidator(_moment)]
Share = Annotated[float, Field(ge=0, le=1)]
RANGES = {DICE.name: Share, NSD.name: Share, HD95.name: Size, ASSD.name: Size}
"""Name -> range of the built-in metrics; others may have any finite value."""


class _Part(BaseModel):
    """Strict types; keys the report does not read are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Row(_Part):
    case: Name
    patient: Name | None = None
    structure: Name = Field(alias="class")
    empty: str | bool | None = None  # older rows only say whether it is empty


class _Signals(_Part):
    encoder_seconds: Size = 0.0
    embedding_cpu_seconds: Size = 0.0
    encoder: Fact = None
    init: Fact = None
    labels: Fact = None
    training: Fact = None
    quality: dict[Name, dict[Name, float | None]] = Field({}, alias=QUALITY)


class _Read(_Part):
    what: str
    cost: Size


class _Round(_Part):
    labelled: Count
    fraction: Share
    cost: Size
    cover_radius: Size
    members: list[dict[str, float | None]]
    volumes: list[Any]
    summary: dict[Name, float | None]
    seconds: dict[ColumnName, Size]
    ledger: list[_Read]
    signals: _Signals
    peak_mb: Size | None
    marked: Size | None
    foreground: Size | None
    seed: int | None
    fingerprint: str | None
    data_key: str | None
    made_by: dict[str, str | None]
    files: dict[FolderName, str]
    cpu_seconds: dict[ColumnName, Size]
    slices: list[Any]
    minutes: Size | None
    validation_minutes: Size | None
    ended: Moment | None

    @model_validator(mode="after")
    def _means(self) -> _Round:
        """Check the means of built-in metrics: ``dice_<class>`` and ``validation_dice`` are such as well."""
        shares = [DICE.name, NSD.name, "validation_dice", *(f"{DICE.name}_{row.structure}" for row in self.volumes)]
        highest = {HD95.name: math.inf, ASSD.name: math.inf, **dict.fromkeys(shares, 1.0)}
        for name, value in self.summary.items():
            if value is not None and not 0 <= value <= highest.get(name, math.inf) and name in highest:
                raise ValueError(f"summary.{name} is {value:g}, outside of 0 to {highest[name]:g}")
        return self


class _Named(_Part):
    name: Name


class _Dataset(_Named):
    classes: list[Name] | None = Field(None, max_length=256)
    prepare: dict[str, Any] | None = None
    split: dict[str, Any] | None = None


class _Training(_Part):
    network: _Named
    precision: str = "float32"

    @model_validator(mode="before")
    @classmethod
    def _another_trainer(cls, value: Any) -> Any:
        """Accept a trainer that goes by a name of its own and has no network."""
        if isinstance(value, Mapping) and "name" in value:
            return {"network": {"name": value["name"]}, **value}
        return value


class _Configuration(_Part):
    dataset: _Dataset
    recipe: _Named
    annotation: _Named
    train: _Training
    evaluate: dict[str, Any] | None = None
    schedule: Name = "default"
    seed: Count
    budgets: Budgets | None = None


class _Data(_Part):
    patients: dict[str, int] = {}
    volumes: dict[str, int] = {}
    slices: dict[str, int] = {}
    iterations: list[int] = []
    cases: dict[Name, list[Name]] = {}
    patient_of: dict[Name, Name] = {}
    warnings: list[str] = []


class _Metric(_Part):
    name: ColumnName
    title: Name
    unit: Name = ""
    higher_is_better: bool = True
    decimals: Annotated[int, Field(ge=0, le=9)] = 3
    meaning: str = ""
    skips_empty: bool = False


class _Environment(_Part):
    device: str | None = None
    gpu: str | None = None
    alseg: str | None = None
    commit: str | None = None
    packages: dict[str, str] = {}
    data: _Data = _Data()
    metrics: list[_Metric] = []


class _Listed(_Part):
    key: FolderName
    dataset: Name
    annotation: Name
    schedule: Name
    recipe: Name
    seed: Count
    budgets: Budgets


@cache
def _round_with(further: tuple[str, ...]) -> type[_Round]:
    """Return the shape of a round whose rows hold Dice and, perhaps, the other metrics."""
    ranges = {**dict.fromkeys(further, float), **{name: RANGES[name] for name in METRICS}}
    fields: dict[str, Any] = {name: (wanted | None, None) for name, wanted in ranges.items()}
    row = create_model("Row", __base__=_Row, **{**fields, DICE.name: (RANGES[DICE.name] | None, ...)})
    return create_model("Round", __base__=_Round, volumes=(list[row], ...))


def listed(runs: Any) -> list[dict[str, Any]]:
    """Return key, setting, recipe, seed and budgets of each run that a study.json lists. Raises ResultsError."""
    try:
        found = TypeAdapter(Annotated[list[_Listed], Field(max_length=MOST_RUNS)]).validate_python(runs)
    except ValidationError as error:
        raise ResultsError(_first("runs", error)) from None
    return [
        {
            "key": run.key,
            "setting": (run.dataset, run.annotation, run.schedule),
            "recipe": run.recipe,
            "seed": run.seed,
            "budgets": tuple(run.budgets),
        }
        for run in found
    ]


def _further(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the metrics that are not built in, as far as they are names."""
    described = environment.get("metrics", ())
    found = described if isinstance(described, list) else ()
    return tuple(str(metric["name"]) for metric in found if isinstance(metric, Mapping) and "name" in metric)


def check(config: Mapping[str, Any] | None, environment: Mapping[str, Any], records: Sequence[RoundRecord]) -> None:
    """Raise ResultsError with file, place and reason if a report cannot work with a run.

    config: None for a run that never started.
    """
    metrics = _further(environment)
    parts: list[tuple[str, type[_Part], Any]] = [
        ("environment.json", _Environment, environment),
        *((f"rounds.jsonl, round {record.round}", _round_with(metrics), vars(record)) for record in records),
    ]
    if config is not None:
        parts.insert(0, ("config.json", _Configuration, config))
    for file, wanted, content in parts:
        try:
            wanted.model_validate(content)
        except ValidationError as error:
            raise ResultsError(_first(file, error)) from None


def _first(file: str, error: ValidationError) -> str:
    """Return file, place and reason of the first fault."""
    first = error.errors(include_url=False)[0]
    place = visible(".".join(map(str, first["loc"])), LONGEST_PLACE)
    return ": ".join(filter(None, (file, place, first["msg"])))
