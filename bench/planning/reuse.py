"""Encoders and first trainings that a run takes from the store, or from another run of the study."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.planning.disk_space import module_bytes

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.data.prepared import Prepared
    from alseg_core.data.slices import Slices
    from alseg_core.data.splits import Split
    from alseg_core.embed.contrastive import Contrastive
    from alseg_core.material import Plan
    from alseg_core.store import Store


@dataclass
class Reuse:
    """What does not need to be computed again: the store holds it, or an earlier run of the study has claimed it."""

    store: Store
    """Store that all runs share."""
    encoders: set[str] = field(default_factory=set)
    """Names of all encoders that have been claimed."""
    encoder_bytes: int = 0
    """Size that the new ones among them will take in the store, in bytes."""
    _claimed: set[str] = field(default_factory=set)
    _pools: dict[str, tuple[Split, Slices]] = field(default_factory=dict)
    _opened: dict[str, Prepared] = field(default_factory=dict)
    _kept: set[str] | None = None
    _voxels: dict[str, int] = field(default_factory=dict)

    def claim_encoder(self, training: Contrastive, config: RunConfig, plan: Plan) -> bool:
        """Return whether this run is the one that trains the encoder."""
        from alseg_core.models.resnet import FEATURES, ResNetEncoder
        from alseg_core.store import KEY

        slices = self._pool(config, plan)[1]
        entry = self.store.entry("encoder", training.store_key(slices, plan.data_key, config.seed))
        known = entry.name in self.encoders or (entry / KEY).exists()
        self.encoders.add(entry.name)
        if known:
            return False
        self.encoder_bytes += module_bytes(ResNetEncoder(slices.channels)) + plan.pool * FEATURES * 4
        return True

    def trainings(self, config: RunConfig, plan: Plan) -> int:
        """Return how many networks of the run's random first round it will not train itself."""
        from alseg_core.first_round import FirstTraining, kept_names, random_slices
        from alseg_core.validation import chosen_slices, names

        split, slices = self._pool(config, plan)
        positions = random_slices(plan.pool, plan.budgets[0], config.seed)
        table = self._prepared(plan).slices(split.val).table
        known = names(config.validation, table, chosen_slices(config.validation, table, config.seed))
        first = FirstTraining.of(
            config, plan.trainer, plan.data_key, slices.table, positions, known, plan.iterations[0], device_kind(config)
        )
        if self._kept is None:
            self._kept = kept_names(self.store)
        trainings = {first.name(member) for member in range(config.members)}
        found = len(trainings & (self._kept | self._claimed))
        self._claimed.update(trainings)
        return found

    def scored_voxels(self, config: RunConfig, plan: Plan) -> int:
        """Return the number of voxels, on the scans' own grids, of the volumes that every round scores."""
        part = config.evaluate.part
        name = f"{plan.data_key}{config.split!r}{part}"
        if name not in self._voxels:
            split, prepared = self._pool(config, plan)[0], self._prepared(plan)
            infos = map(prepared.info, split.test if part == "test" else split.val)
            self._voxels[name] = sum(info.depth * math.prod(info.native_shape) for info in infos)
        return self._voxels[name]

    def _prepared(self, plan: Plan) -> Prepared:
        from alseg_core.data.prepared import Prepared

        if plan.data_key not in self._opened:
            self._opened[plan.data_key] = Prepared.open(self.store.root / "prepared" / plan.data_key)
        return self._opened[plan.data_key]

    def _pool(self, config: RunConfig, plan: Plan) -> tuple[Split, Slices]:
        """Return the split of the run's cases and the slices of its training cases."""
        name = f"{plan.data_key}{config.split!r}"
        if name not in self._pools:
            prepared = self._prepared(plan)
            split = config.split.assign(prepared.cases)
            self._pools[name] = split, prepared.slices(split.train)
        return self._pools[name]


def device_kind(config: RunConfig) -> str:
    """Return "cpu" or "cuda" for a run that may execute on another machine."""
    return (config.resolve_device() if config.device == "auto" else config.device).partition(":")[0]
