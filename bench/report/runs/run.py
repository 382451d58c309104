"""One run as a report sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from alseg_core.metrics.metric import Metric
from alseg_core.vocabulary import RoundRecord
from bench.study.controls import Controls
from bench.study.identity import RunIdentity
from bench.study.primary import Primary


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as described by its folder and its study."""

    study: str
    """Name of the study, or of the folder without one."""
    home: Path
    """Folder of the study."""
    folder: Path
    """Folder of the run."""
    key: str
    """Name of the run."""
    setting: tuple[str, str, str]
    """(dataset, annotation, schedule)."""
    recipe: str
    """Name of the recipe."""
    seed: int
    """Root seed."""
    budgets: tuple[int | float, ...]
    """Cumulative budgets of all rounds."""
    controls: Controls | None = None
    """What its study knows of some recipes; None if it declares nothing."""
    primary: Primary | None = None
    """Primary comparison that its study declares; None if it declares none."""
    command: str | None = None
    """Command that starts its study again with other seeds (``bench.study.rerun``); None if it is not recorded."""
    config: Mapping[str, Any] | None = None
    """Configuration as plain data; None for a run that never started."""
    data_key: str | None = None
    """Key of the prepared data; None for a run that never started."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Content of environment.json; empty if it is not recorded."""
    records: tuple[RoundRecord, ...] = ()
    """Finished rounds."""
    failure: str | None = None
    """Why the run failed last, or None."""

    @cached_property
    def identity(self) -> RunIdentity | None:
        """Facts of the configuration; None for a run that never started."""
        return None if self.config is None else RunIdentity.read(self.config)

    @property
    def metrics(self) -> dict[str, Metric]:
        """Name -> metric that the run records besides the built-in ones."""
        known = {field.name for field in dataclasses.fields(Metric)}
        described = self.environment.get("metrics", ())
        found = [Metric(**{key: value for key, value in facts.items() if key in known}) for facts in described]
        return {metric.name: metric for metric in found}

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return len(self.records) == len(self.budgets)

    @property
    def state(self) -> str:
        """ "finished", "failed" or "unfinished"."""
        return "finished" if self.finished else "unfinished" if self.failure is None else "failed"
