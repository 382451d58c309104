"""How much disk space a run takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.material import Plan


def module_bytes(module: Any) -> int:
    """Return the size of the weights of a module, in bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


def folder_bytes(config: RunConfig, plan: Plan, network: int) -> int:
    """Return about how large the run folder will be, in bytes: records, pictures, features, perhaps the network."""
    from alseg_core.exhibits import EXAMPLE_SIZE, EXAMPLES, POINTS, SELECTED, SELECTED_SIZE

    records = len(plan.budgets) * plan.test_volumes * len(config.dataset.classes) * 150 + plan.budgets[-1] * 100
    pictures = min(plan.test_volumes, EXAMPLES) * min(plan.size, EXAMPLE_SIZE) ** 2
    pictures += min(plan.budgets[0], SELECTED) * SELECTED_SIZE**2
    features = 0 if config.recipe.embed is None else min(plan.pool, POINTS) * 80
    return records + pictures + features + config.keep_network * network
