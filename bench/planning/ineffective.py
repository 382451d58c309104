"""Settings of a study that change nothing, such as a smaller number of steps for a first try that is not smaller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.material import Plan
    from bench.study import Study


def ineffective(study: Study, configs: Sequence[RunConfig], plans: Mapping[str, Plan]) -> Iterator[str]:
    """Yield a warning for each ``train.KIND.iterations_full`` of the study that no run trains by."""
    from alseg_core.oracles import ORACLES

    for kind, settings in study.train.items():
        full, place = settings.get("iterations_full"), f"train.{kind}.iterations_full"
        runs = [config for config in configs if type(config.annotation) is ORACLES.resolve(kind)]
        if full is None or not runs:
            continue
        takers = [config for config in runs if getattr(config.train, "iterations_full", full) == full]
        if not takers:
            yield f"{place}={full} changes nothing: every recipe has its own."
            continue
        least = {getattr(config.train, "iterations_least", None) for config in takers}
        steps = {count for config in takers for count in plans[config.key].iterations}
        if "iterations_least" not in settings and steps == least and len(steps) == 1:
            yield (
                f"{place}={full} changes nothing: every round trains the fewest steps, {steps.pop():,}. Set "
                f"train.{kind}.iterations_least as well."
            )
