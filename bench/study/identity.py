"""Who a run is: the facts of its configuration that displays, MLflow and reports show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.study.annotation_title import annotation_title
from bench.study.foreign import mapping

if TYPE_CHECKING:
    from alseg_core.config import RunConfig


@dataclass(frozen=True)
class RunIdentity:
    """Facts of one run, read from its configuration in one place; None where an older one does not have them."""

    dataset: str
    """Name of the dataset."""
    recipe: str
    """Name of the recipe."""
    annotation: str
    """Kind of annotation, for example "scribble", or "mask (noise 2 mm)" where the annotator errs."""
    schedule: str
    """Name of the schedule of budgets."""
    seed: int
    """Root seed."""
    budgets: tuple[int | float, ...] = ()
    """Cumulative budget of each round: shares of the training slices, or numbers of slices."""
    classes: tuple[str, ...] = ()
    """Names of the classes, background first."""
    root: str | None = None
    """Folder of the raw scans; None for generated data."""
    preparation: Mapping[str, Any] | None = None
    """Settings of the preparation."""
    split: Mapping[str, Any] | None = None
    """Settings of the split."""
    annotator: Mapping[str, Any] | None = None
    """Settings of the annotation."""
    part: str = "test"
    """Volumes that are scored, "test" or "val"."""
    members: int | None = None
    """Networks trained per round."""
    validation: int | str = "all"
    """Labelled slices of the validation volumes: "all", "none" or a number."""
    network: str | None = None
    """Name of the network, or of a trainer without one."""
    precision: str = "float32"
    """Precision that the configuration asks for; runs from before it could be chosen used float32."""
    steps: int | None = None
    """Training steps of a network on the whole pool."""
    optimiser: str | None = None
    """Name of the optimiser."""
    learning_rate: float | None = None
    """Initial learning rate."""
    batch: int | None = None
    """Slices, or volumes, per training step."""
    cover: str | None = None
    """Embedding in which the cover radius is measured."""

    @property
    def setting(self) -> tuple[str, str, str]:
        """(dataset, annotation, schedule)."""
        return self.dataset, self.annotation, self.schedule

    @classmethod
    def of(cls, config: RunConfig) -> RunIdentity:
        """Return the identity of a validated configuration."""
        return cls.read(config.describe())

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> RunIdentity:
        """Return the identity of a configuration as plain data, of any version.

        Raises KeyError, TypeError or ValueError when it is not the configuration of a run.
        """
        dataset, train = plain["dataset"], plain.get("train") or {}
        return cls(
            dataset=str(dataset["name"]),
            recipe=str(plain["recipe"]["name"]),
            annotation=annotation_title(plain["annotation"]),
            schedule=str(plain.get("schedule", "default")),
            seed=int(plain["seed"]),
            budgets=tuple(plain.get("budgets", ())),
            classes=tuple(map(str, dataset.get("classes") or ())),
            root=dataset.get("root"),
            preparation=dataset.get("prepare"),
            split=dataset.get("split"),
            annotator=plain["annotation"],
            part=str((plain.get("evaluate") or {}).get("part", "test")),
            members=plain.get("members"),
            validation=plain.get("validation", "all"),
            network=(train.get("network") or {}).get("name") or train.get("name"),
            precision=train.get("precision", "float32"),
            steps=train.get("iterations_full"),
            optimiser=train.get("optimiser"),
            learning_rate=train.get("lr"),
            batch=train.get("batch"),
            cover=(plain.get("cover") or {}).get("name"),
        )

    @classmethod
    def of_folder(cls, folder: Path) -> RunIdentity | None:
        """Return the identity of the run in a folder; None if it has not started."""
        content = mapping(folder / "config.json")
        return cls.read(content["config"]) if content else None
