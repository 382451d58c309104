"""Check of an embedding on a dataset: what it knows about the anatomy, and what k-centre would pick first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from alseg_core.errors import ConfigError, plural

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.data.prepared import Prepared
    from alseg_core.data.slices import Slices, SliceTable
    from alseg_core.embed.embedder import EmbedContext, Embedder, Embedding
    from alseg_core.embed.quality import Quality
    from alseg_core.vocabulary import FloatArray, IntArray, LabelArray

    Measures = TypeVar("Measures", Quality, "Picks")

STARTS = 20
"""First centres from which k-centre picks: the picks of a single one depend much on it."""
DRAWS = 200
"""Random selections that chance is the mean of."""
END = 0.1
"""Share of a volume's height that counts as its end, at either side."""
CHANCE = "random slices"
"""Name of the row of chance."""


@dataclass(frozen=True)
class Picks:
    """Slices that were picked; the last two are None without masks."""

    patients: float
    """Number of patients among them."""
    tenths: float
    """Tenths of the relative height that hold at least one, of 10."""
    ends: float
    """Share of them in the first or last tenth of their volume."""
    foreground: float | None
    """Share of them with any foreground."""
    all_classes: float | None
    """Share of them with every foreground class of the dataset."""


@dataclass(frozen=True)
class EmbeddingCheck:
    """Measures by the name of the embedding, means over seeds."""

    title: str
    """What was checked."""
    quality: dict[str, Quality]
    """Neighbourhoods and spread."""
    picks: dict[str, Picks]
    """First picks of k-centre, means over random first centres, and random slices."""
    notes: list[str]
    """Remarks."""
    lost: list[str]
    """Where the trained encoder is worse than an untrained one."""


def check(
    dataset: str,
    folder: str | None,
    recipe: str,
    study: str,
    settings: Sequence[str],
    store: Path,
    progress: Callable[[float], None] | None = None,
    beside: Sequence[str] = (),
) -> EmbeddingCheck:
    """Train the embedding of ``recipe`` as ``study`` would, unless the store has it, and measure it.

    settings: laid over the study's, as "KEY=VALUE". beside: further recipes whose embeddings are measured, each in a
    row of its name. Masks are read to describe picks and for nothing else. Raises AlsegError when a name is unknown,
    the data are unusable, or a recipe has no embedding to check.
    """
    from alseg_core.data.prepare import prepare
    from alseg_core.data.prepared import Prepared
    from alseg_core.embed.embedder import EmbedContext
    from alseg_core.embed.quality import OWN
    from alseg_core.store import Store
    from bench.study import DatasetFile, find
    from bench.study.dataset_file import DATA_HINT

    given = ["name=embed", f"datasets={dataset}", "seeds=1"]
    given += ["controls=null", "primary=null"]  # both are about several recipes
    given += [] if folder is None else [f"data={folder}"]
    configs = _configs(study, recipe, given, settings)
    first = next(iter(configs.values()))
    others = {other: _configs(study, other, given, settings) for other in dict.fromkeys(beside) if other != recipe}
    for each in (first, *(next(iter(other.values())) for other in others.values())):
        _check_embeds(each)
    DatasetFile(dataset, find("dataset", dataset)).check_folder(first.dataset.root, DATA_HINT)
    kept = Store(store)
    root = None if first.dataset.root is None else Path(first.dataset.root)
    place = prepare(first.dataset.reader, root, first.dataset.prepare, kept)
    prepared = Prepared.open(place)
    found, chance, pools = [], [], []
    used: dict[str, str | None] = {}
    for seed, config in configs.items():
        slices = prepared.slices(config.split.assign(prepared.cases).train)
        pools.append((len(slices), config.counts(len(slices))[0]))
        masks = _masks(place, prepared, slices)
        context = EmbedContext(slices, prepared.key, seed, config.resolve_device(), kept, None, progress)
        rows, said = _measured(config, context, masks)
        used[recipe] = said
        for name, other in others.items():
            only, used[name] = _measured(other[seed], context, masks, own=True)
            rows[name] = only[OWN]
        found.append(rows)
        chance.append(_chance(config, slices, masks))
    quality = {name: _mean([each[name][0] for each in found]) for name in found[0]}
    size, count = (_span([pool[i] for pool in pools]) for i in range(2))
    return EmbeddingCheck(
        title=f"{first.dataset.name}, {recipe}, {size} slices, {count} picks, {plural(len(configs), 'seed')}",
        quality=quality,
        picks={**{name: _mean([each[name][1] for each in found]) for name in found[0]}, CHANCE: _mean(chance)},
        notes=[*(f"weights of {name}: {said}" for name, said in used.items() if said), _note(masks, size)],
        lost=_lost(quality),
    )


def _configs(study: str, recipe: str, given: Sequence[str], settings: Sequence[str]) -> dict[int, RunConfig]:
    """Return the runs of a recipe by their seed."""
    from bench.study import Study

    given = [*given, f"recipes={recipe}"]
    configs = {config.seed: config for config in Study.find(study, [*given, *settings]).runs()}
    if len(configs) > 1:  # an encoder each, unless the settings fix one for all
        given.append("components.contrastive.encoder_seed=null")
        configs = {config.seed: config for config in Study.find(study, [*given, *settings]).runs()}
    return configs


def _check_embeds(config: RunConfig) -> None:
    """Raise ConfigError unless the recipe has an embedding that needs no trained segmentation network."""
    from alseg_core.embed import EMBEDDERS

    embed, name = config.recipe.embed, config.recipe.name
    if embed is None or embed.needs_model:
        why = "has no embedding" if embed is None else "embeds slices by a network trained on labels"
        raise ConfigError(f"recipe {name!r} {why}; choose one that embeds by another of {', '.join(EMBEDDERS)}.")
    embed.check()


def _measured(
    config: RunConfig, context: EmbedContext, masks: LabelArray | None, own: bool = False
) -> tuple[dict[str, tuple[Quality, Picks]], str | None]:
    """Return the measures of the embedding of one seed and, unless ``own``, of what it is compared with; its weights.

    The latter is what the facts of the embedding say of the weights that its encoder started from.
    """
    from alseg_core import seeding
    from alseg_core.embed.appraisal import features_of
    from alseg_core.embed.quality import OWN
    from alseg_core.geometry.kcenter import k_center_greedy

    embedder = config.recipe.embed
    assert embedder is not None
    embedding = embedder.embed(context)
    rows, count = np.arange(len(context.slices)), config.counts(len(context.slices))[0]
    starts = seeding.stream(config.seed, "embed check").choice(len(rows), min(STARTS, len(rows)), replace=False)
    out = {}
    appraised = {OWN: _quality(embedding.features, context)} if own else _appraised(embedder, embedding, context)
    for name, measured in appraised.items():
        features = features_of(name, embedder, embedding, context)
        picks = [k_center_greedy(features, rows[:0], rows, count, int(at), context.device)[0] for at in starts]
        table, classes = context.slices.table, len(config.dataset.classes)
        out[name] = measured, _mean([describe_picks(picked, table, masks, classes) for picked in picks])
    return out, embedding.facts.get("weights") or embedding.facts.get("init")


def _appraised(embedder: Embedder, embedding: Embedding, context: EmbedContext) -> dict[str, Quality]:
    """Return what a run records of its embedding, and an untrained encoder for one trained before the run, too."""
    from alseg_core.embed.appraisal import appraise
    from alseg_core.embed.embedder import Encoder
    from alseg_core.embed.quality import OWN, UNTRAINED

    known = appraise(embedder, embedding, context)
    if UNTRAINED in known or not isinstance(embedder, Encoder):
        return known
    return {OWN: known[OWN], UNTRAINED: _quality(embedder.untrained(context), context), **known}


def _quality(features: FloatArray, context: EmbedContext) -> Quality:
    from alseg_core.embed.quality import quality

    return quality(features, context.slices.table, context.device)


def _chance(config: RunConfig, slices: Slices, masks: LabelArray | None) -> Picks:
    """Return what random slices of the pool of one seed hold."""
    rng, count = np.random.default_rng(0), config.counts(len(slices))[0]
    draws = [rng.choice(len(slices), count, replace=False) for _ in range(DRAWS)]
    return _mean([describe_picks(rows, slices.table, masks, len(config.dataset.classes)) for rows in draws])


def _span(counts: Sequence[int]) -> str:
    """Return a number, or the least and the largest where seeds differ because each splits the patients anew."""
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _masks(place: Path, prepared: Prepared, slices: Slices) -> LabelArray | None:
    """Return the masks of all slices, None if a case has none."""
    from alseg_core.oracles import Vault

    if not all(prepared.info(case).has_mask for case in slices.table.cases):
        return None
    return Vault(place, prepared).masks(slices.rows, "embed check", "ground truth for reference")


def describe_picks(rows: IntArray, table: SliceTable, masks: LabelArray | None, classes: int) -> Picks:
    """Describe the slices ``rows`` (B,). masks: (N, H, W) of all slices; classes: number, background included."""
    height = table.relative_z[rows]
    foreground = whole = None
    if masks is not None:
        has = np.array([[(masks[row] == label).any() for label in range(1, classes)] for row in rows])
        foreground, whole = float(has.any(axis=1).mean()), float(has.all(axis=1).mean())
    return Picks(
        patients=float(len(np.unique(table.patient[rows]))),
        tenths=float(len(np.unique((10 * height).astype(int)))),
        ends=float(((height < END) | (height > 1 - END)).mean()),
        foreground=foreground,
        all_classes=whole,
    )


def _mean(measured: Sequence[Measures]) -> Measures:
    """Return the mean of measures of one kind, field by field; None where they are None."""
    rows = [astuple(each) for each in measured]
    kind: Any = type(measured[0])
    mean: Measures = kind(*(None if None in values else float(np.mean(values)) for values in zip(*rows, strict=True)))
    return mean


def _note(masks: LabelArray | None, count: str) -> str:
    if masks is None:
        return "no masks, so foreground and classes of the picks are unknown"
    return f"masks of {count} slices were read to describe the picks; no strategy sees them"


def _lost(quality: dict[str, Quality]) -> list[str]:
    from alseg_core.embed.quality import OWN, UNTRAINED, fallen

    if UNTRAINED not in quality:
        return []
    worse = fallen(asdict(quality[OWN]), asdict(quality[UNTRAINED]))
    return [f"same {what} {own:.3f}, untrained {untrained:.3f}" for what, own, untrained in worse]
