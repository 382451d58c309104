"""Settings of a study that change nothing, such as a smaller number of steps for a first try that is not smaller."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from alseg_core.training import NetworkTrainer

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.material import Plan
    from bench.study import Study


def ineffective(study: Study, configs: Sequence[RunConfig], plans: Mapping[str, Plan]) -> Iterator[str]:
    """Yield a warning for each ``train.KIND.iterations_full`` of the study that no run trains by."""
    from alseg_core.oracles import ORACLES

    for kind, settings in study.train.items():
        full, oracle = settings.get("iterations_full"), ORACLES.resolve(kind)
        runs = [config for config in configs if type(config.annotation) is oracle]
        if full is None or not all(isinstance(config.train, NetworkTrainer) for config in runs):
            continue
        takers = [config for config in runs if _of(config).iterations_full == full]
        different = {(config.train, config.budgets, plans[config.key].pool): config for config in takers}
        if any(_counts(config, plans[config.key]) for config in different.values()):
            continue
        place = f"train.{kind}.iterations_full"
        if runs and not takers:
            yield f"{place}={full} changes nothing: every recipe has its own."
        elif any(_of(config).epochs is not None for config in takers):
            yield f"{place}={full} changes nothing: train.{kind}.epochs is set. Set train.{kind}.epochs=null as well."
        elif takers and "iterations_least" not in settings:
            least = sorted({_of(config).iterations_least for config in takers})
            fewest = " or ".join(f"{count:,}" for count in least)
            own = dict.fromkeys(config.recipe.name for config in runs if _of(config).iterations_full != full)
            others = f" Other recipes have their own number: {', '.join(own)}." if own else ""
            yield (
                f"{place}={full} changes nothing: every round trains the fewest steps, {fewest}. Set "
                f"train.{kind}.iterations_least as well.{others}"
            )


def _of(config: RunConfig) -> NetworkTrainer:
    assert isinstance(config.train, NetworkTrainer)
    return config.train


def _counts(config: RunConfig, plan: Plan) -> bool:
    """Return whether the steps of any round follow from ``iterations_full``."""
    trainer = _of(config)
    if trainer.epochs is not None:
        return False
    free = dataclasses.replace(config, train=dataclasses.replace(trainer, iterations_least=1))
    return any(steps >= trainer.iterations_least for steps in free.steps(plan.pool))
