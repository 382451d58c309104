"""The parts of a run's files that a report reads, and their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from alseg_core.errors import ResultsError
from alseg_core.metrics.metric import DICE, METRICS
from alseg_core.vocabulary import RoundRecord


class _Part(BaseModel):
    """Strict types; keys the report does not read are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Row(_Part):
    case: str
    patient: str | None = None
    structure: str = Field(alias="class")
    empty: str | bool | None = None  # older rows only say whether it is empty


class _Signals(_Part):
    encoder_seconds: float = 0.0


class _Round(_Part):
    labelled: int
    fraction: float
    cost: float
    cover_radius: float
    members: list[dict[str, float | None]]
    volumes: list[dict[str, Any]]
    summary: dict[str, float | None]
    seconds: dict[str, float]
    signals: _Signals
    peak_mb: float | None
    marked: float | None
    foreground: float | None
    seed: int | None
    fingerprint: str | None
    data_key: str | None
    made_by: dict[str, str | None]
    files: dict[str, str]


class _Named(_Part):
    name: str


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
    dataset: dict[str, Any]
    recipe: dict[str, Any]
    annotation: dict[str, Any]
    train: _Training
    evaluate: dict[str, Any] = {}


class _Data(_Part):
    patients: dict[str, int] = {}
    volumes: dict[str, int] = {}
    slices: dict[str, int] = {}
    iterations: list[int] = []
    warnings: list[str] = []


class _Metric(_Part):
    name: str
    title: str


class _Environment(_Part):
    device: str | None = None
    gpu: str | None = None
    alseg: str | None = None
    commit: str | None = None
    packages: dict[str, str] = {}
    data: _Data = _Data()
    metrics: list[_Metric] = []


@cache
def _round_with(further: tuple[str, ...]) -> type[_Round]:
    """Return the shape of a round whose rows hold Dice and, perhaps, the other metrics."""
    fields: dict[str, Any] = dict.fromkeys((*METRICS, *further), (float | None, None))
    row = create_model("Row", __base__=_Row, **{**fields, DICE.name: (float | None, ...)})
    return create_model("Round", __base__=_Round, volumes=(list[row], ...))


def check(config: Mapping[str, Any] | None, environment: Mapping[str, Any], records: Sequence[RoundRecord]) -> None:
    """Raise ResultsError with file, place and reason if a report cannot work with a run.

    config: None for a run that never started.
    """
    metrics = tuple(metric["name"] for metric in environment.get("metrics", ()))
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
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ResultsError(": ".join(filter(None, (file, place, first["msg"])))) from None
