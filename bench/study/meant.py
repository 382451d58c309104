"""Settings whose key lacks its beginning, such as ``lr`` or ``train.lr``: which ones were meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from alseg_core.errors import ConfigError, shown
from alseg_core.outside import is_outside

MOST = 3
"""Most keys that a message proposes."""


def check_key(key: str, text: str, fields: Collection[str], kinds: Sequence[str]) -> None:
    """Raise ConfigError for a key that no study has while others end as it does; the message names those.

    Args:
        key: the key as it was set, with dots.
        text: the value as it was set.
        fields: fields of a study.
        kinds: annotations of the study, whose trainings the proposals name.
    """
    if _begins_well(key.split("."), fields):
        return
    found = _ending(key, kinds)
    if found:
        proposals = [f"--set {name}={text}" for name in found[:MOST]]
        more = f" There are {len(found) - MOST} more, see alseg list fields." if len(found) > MOST else ""
        raise ConfigError(f"a study has no setting {shown(key)}. Did you mean {' or '.join(proposals)}?{more}")


def _begins_well(parts: Sequence[str], fields: Collection[str]) -> bool:
    """Return whether the key begins as one of a study does; what follows is checked where it belongs."""
    from alseg_core.embed import EMBEDDERS
    from alseg_core.oracles import ORACLES
    from alseg_core.strategies import STRATEGIES

    named: dict[str, Collection[str]] = {"train": ORACLES, "components": {*STRATEGIES, *EMBEDDERS}}
    if parts[0] not in named or len(parts) == 1:
        return parts[0] in fields
    return parts[1] in named[parts[0]] or is_outside(parts[1])


def _ending(key: str, kinds: Sequence[str]) -> list[str]:
    """Return the keys of a study that begin and end as ``key`` does, those of trainings first."""
    first, _, rest = key.partition(".")
    within = first if rest and first in ("train", "components") else ""
    end = f".{rest if within else key}"
    return list(dict.fromkeys(name for name in _keys(kinds) if name.startswith(within) and name.endswith(end)))


def _keys(kinds: Sequence[str]) -> Iterator[str]:
    """Yield the keys of settings below the fields of a study."""
    from alseg_core.embed import EMBEDDERS
    from alseg_core.evaluate import Evaluation
    from alseg_core.fields import field_docs
    from alseg_core.losses import LOSSES
    from alseg_core.models import NETWORKS
    from alseg_core.strategies import STRATEGIES
    from alseg_core.training import NetworkTrainer
    from bench.study.study import Resources

    classes: list[tuple[str, type[Any]]] = []
    for kind in kinds:
        classes.append((f"train.{kind}.", NetworkTrainer))
        classes += [(f"train.{kind}.network.", cls) for cls in NETWORKS.values()]
        classes += [(f"train.{kind}.loss.", cls) for cls in LOSSES.values()]
    classes += [("evaluate.", Evaluation), ("resources.", Resources)]
    classes += [(f"components.{name}.", cls) for name, cls in [*EMBEDDERS.items(), *STRATEGIES.items()]]
    for prefix, cls in classes:
        yield from (field.key for field in field_docs(cls, prefix))
