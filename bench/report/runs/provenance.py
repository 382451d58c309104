"""How the numbers of a report were made: settings, warnings, shared work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alseg_core.data.splits import PER_RUN
from alseg_core.provenance import maker_of
from alseg_core.vocabulary import RoundRecord
from bench.report.runs.cases import PARTS, patients
from bench.report.runs.embeddings import embeddings, warning
from bench.report.runs.run import Run
from bench.report.runs.twins import twins
from bench.report.setting import Setting, enumerated, title
from bench.report.statistics.paired import FEW_SEEDS

UNKNOWN = "not recorded"
FEW_PATIENTS = 20
"""Patients below which a report warns."""
FEW_STEPS = 1000
"""Training steps below which a report warns."""
MOST_PATIENTS = 20
"""Longest list of patients of a part."""
MOST_NAMES = 6
"""Longest list of recipes in a warning."""
ONE_SPLIT = "All seeds have one patient split: intervals are over seeds and test patients, not over other splits."
OWN_SPLITS = (
    "Each seed has a patient split of its own: intervals are over seeds with their splits and over test patients, who "
    "are recognised where several splits test on them. Splits share training patients, which no interval accounts for."
)
PACKAGES = ("torch", "numpy", "scipy", "monai", "faiss-cpu", "faiss-gpu-cu12")
"""Packages whose versions the report shows; run folders have more."""
ALIKE = {
    "device": "devices",
    "torch": "versions of torch",
    "alseg": "versions of alseg",
    "commit": "commits of alseg",
}
"""What made a round (:func:`alseg_core.provenance.maker_of`): fact -> plural. The runs of a setting should share it."""


def makers(run: Run) -> list[dict[str, str | None]]:
    """Return what made the rounds of a run, in their order and each once; before the first round, its environment."""
    found = [maker_of(record, run.environment) for record in run.records]
    if not found and run.environment:
        found = [maker_of(None, run.environment)]
    return [maker for i, maker in enumerate(found) if maker not in found[:i]]


def by_setting(runs: Iterable[Run]) -> dict[Setting, list[Run]]:
    """Group runs by setting, in their order."""
    out: dict[Setting, list[Run]] = {}
    for run in runs:
        out.setdefault(run.setting, []).append(run)
    return out


def facts(runs: Sequence[Run]) -> dict[str, str]:
    """Return label -> text: what the runs of one setting share, several values where they differ, or "not recorded"."""
    known = [run.identity for run in runs if run.identity is not None]
    first = known[0] if known else None
    places = [run.environment for run in runs if run.environment]
    sizes = [place["data"] for place in places if place.get("data")]
    steps = sorted({tuple(place["data"]["iterations"]) for place in places if "iterations" in place.get("data", {})})
    return {
        **{
            f"{name} set": ", ".join(
                f"{_span(found)} {what}"
                for what in ("patients", "volumes", "slices")
                if (found := [data[what][part] for data in sizes if part in data.get(what, {})])
            )
            or UNKNOWN
            for part, name in PARTS.items()
        },
        **{
            f"{name} patients": f"{enumerated(names, MOST_PATIENTS)} (cases.csv has all volumes)"
            for part, name in PARTS.items()
            if (names := patients(runs, part))
        },
        "classes": ", ".join(first.classes if first else ()) or UNKNOWN,
        "preparation": _spelled(first and first.preparation),
        "split": _spelled(first and first.split),
        "seeds and patients": OWN_SPLITS if own_splits(runs) else ONE_SPLIT,
        "validation labels": _several(run.validation for run in known),
        "scored on": {"test": "test volumes", "val": "validation volumes"}.get(scored_on(runs), UNKNOWN),
        "annotation": _spelled(first and first.annotator),
        "networks per round": _several(run.members for run in known),
        "network": _several(run.network for run in known),
        "training steps per round": "; ".join(", ".join(f"{s:,}" for s in each) for each in steps) or _steps_done(runs),
        "optimiser": _several(
            f"{run.optimiser}, learning rate {run.learning_rate}, batch {run.batch}" for run in known
        ),
        "device": _several(value for run in runs for value in _distinct(run, "device")),
        "threads": _several(place.get("threads") for place in places),
        "alseg": _several(version for run in runs for version in dict.fromkeys(map(_version, makers(run)))),
        "packages": _several(
            ", ".join(f"{p} {place['packages'][p]}" for p in PACKAGES if p in place["packages"])
            for place in places
            if "packages" in place
        ),
        "python": _several(place.get("python") for place in places),
        "prepared data": _several(run.data_key for run in runs),
        "studies": _several(run.study for run in runs),
    }


def own_splits(runs: Iterable[Run]) -> bool:
    """Return whether each seed of the runs has a patient split of its own."""
    split = next((run.identity.split for run in runs if run.identity is not None), None) or {}
    return bool(split.get("seed") == PER_RUN)


def scored_on(runs: Iterable[Run]) -> str:
    """Return the volumes that the runs are scored on: "test" or "val"."""
    return next((run.identity.part for run in runs if run.identity is not None), "test")


def _span(counts: Sequence[int]) -> str:
    """Return a count, or the range of several: each seed may have a split of its own."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _one(values: Iterable[Any]) -> Any:
    return next((value for value in values if value), None)


def _spelled(value: Any) -> str:
    """Return a component on one line: its name and its settings."""
    if not isinstance(value, Mapping):
        return UNKNOWN
    fields = [f"{key} {_plain(v)}" for key, v in value.items() if key != "name" and v is not None]
    return ": ".join(part for part in (str(value.get("name", "")), ", ".join(fields)) if part)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value[:8])) + (f", ... {len(value)} in all" if len(value) > 8 else "") + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _several(values: Iterable[Any]) -> str:
    """Return the distinct values, the most frequent first."""
    counts = Counter(str(value) for value in values if value is not None)
    return "; ".join(value for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))) or UNKNOWN


def _distinct(run: Run, fact: str) -> list[str]:
    """Return the values of one fact of what made the rounds of a run, each once, as far as they are known."""
    return list(dict.fromkeys(value for maker in makers(run) if (value := maker.get(fact)) is not None))


def _version(maker: Mapping[str, str | None]) -> str | None:
    if maker.get("alseg") is None:
        return None
    return f"{maker['alseg']}" + (f" at commit {maker['commit']}" if maker.get("commit") else "")


def _steps_done(runs: Sequence[Run]) -> str:
    done: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        for record in run.records:
            done[record.round] += _iterations(record)
    spans = [(min(steps), max(steps)) for _, steps in sorted(done.items()) if steps]
    return ", ".join(f"{a:,.0f}" if a == b else f"{a:,.0f} to {b:,.0f}" for a, b in spans) or UNKNOWN


def _iterations(record: RoundRecord) -> list[float]:
    return [count for member in record.members if (count := member.get("iterations")) is not None]


@dataclass(frozen=True)
class Savings:
    """Work that runs shared through the store; None = not recorded by the runs."""

    trainings: int
    """Trained networks that the finished rounds needed."""
    shared: int | None
    """Those of them that another run had trained."""
    hours: float | None
    """Time that their training took there, in hours."""
    encoders: int | None
    """Pairs of a run and a trained encoder that it needed."""
    trained: int | None
    """Distinct encoders."""
    encoder_hours: float | None
    """Time that training the others would have taken, in hours."""

    @property
    def sentences(self) -> list[str]:
        """Sentences for the report."""
        if self.shared is None:
            lines = [f"Trainings: {self.trainings:,} were needed; how many were shared is {UNKNOWN}."]
        else:
            done = self.trainings - self.shared
            saved = f"{self.shared:,} were shared, which saved {_hours(self.hours)}"
            saved = saved if self.shared else "none were shared"
            lines = [f"Trainings: {done:,} run, {self.trainings:,} needed; {saved}."]
        if self.encoders is not None and self.trained is not None:
            saved = f", which saved {_hours(self.encoder_hours)}" if self.trained < self.encoders else ""
            lines.append(f"Encoders: {self.trained:,} trained for {self.encoders:,} runs that use one{saved}.")
        return lines


def _hours(hours: float | None) -> str:
    if hours is None:
        return "an unrecorded time"
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def savings(runs: Iterable[Run]) -> Savings:
    """Return the savings over all finished rounds; a network trained once and used by several runs is shared."""
    wanted = shared = 0
    hours = 0.0
    recorded = False
    users: dict[str, set[str]] = defaultdict(set)
    took: dict[str, float] = {}
    for run in runs:
        for record in run.records:
            wanted += len(record.members)
            recorded |= "training" in record.signals
            if record.signals.get("training") == "shared":
                shared += len(record.members)
                hours += record.seconds.get("train", 0.0) / 3600
            if encoder := record.signals.get("encoder"):
                users[str(encoder)].add(run.key)
                took[str(encoder)] = float(str(record.signals.get("encoder_seconds", 0.0)))
    saved = sum((len(users[encoder]) - 1) * took[encoder] for encoder in users) / 3600
    return Savings(
        trainings=wanted,
        shared=shared if recorded else None,
        hours=hours if recorded else None,
        encoders=sum(map(len, users.values())) if users else None,
        trained=len(users) if users else None,
        encoder_hours=saved if users else None,
    )


def warnings(runs: Sequence[Run]) -> list[str]:
    """Return what a reader must know before trusting a number: a line per kind, with the settings concerned."""
    begun = {setting: own for setting, all_ in by_setting(runs).items() if (own := [r for r in all_ if r.records])}
    kinds: dict[str, dict[str, list[str]]] = {}  # kind -> detail -> settings
    for setting, own in begun.items():
        for kind, detail in _warnings(own):
            kinds.setdefault(kind, {}).setdefault(detail, []).append(title(setting))
    lines = []
    for kind, details in kinds.items():
        texts = [text if len(at) == len(begun) else f"{' and '.join(at)}: {text}" for text, at in details.items()]
        lines.append(f"{kind} ({'; '.join(texts)}).")
    return lines


def _warnings(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """Yield kind and detail of each warning about one setting."""
    seeds = Counter(run.recipe for run in runs)
    few, many = min(seeds.values()), max(seeds.values())
    if few < FEW_SEEDS:
        count = f"{few}" if few == many else f"{few} to {many}"
        yield f"Fewer than {FEW_SEEDS} seeds: do not treat any difference as a finding", f"{count} per recipe"
    if few != many:
        short = enumerated(sorted(name for name, n in seeds.items() if n < many), MOST_NAMES)
        kind = "Unequal numbers of seeds: comparisons use the seeds that both recipes have"
        yield kind, f"fewer than {many}: {short}"
    if alike := [" = ".join(names) for names in twins(runs)]:
        kind = "Recipes that picked the same slices and reached the same scores in every run: here they are one method"
        yield kind, enumerated(alike, MOST_NAMES)
    for fact, what in ALIKE.items():
        values = [value for run in runs for value in _distinct(run, fact)]
        if len(set(values)) > 1:
            yield f"Runs of one setting used different {what}", _several(values)
        changed = {f"{run.recipe}, seed {run.seed}": own for run in runs if len(own := _distinct(run, fact)) > 1}
        if changed:
            texts = [f"{run}: {' then '.join(own)}" for run, own in changed.items()]
            kind = f"Rounds of one run were made with different {what}, so a step between them may be theirs"
            yield kind, enumerated(texts, MOST_NAMES)
    part = scored_on(runs)
    if part == "val":
        yield "Scores are from validation volumes, which also selected the networks: they are not test results", "val"
    data = _one(run.environment.get("data") for run in runs) or {}
    told = Counter(text for run in runs for text in run.environment.get("data", {}).get("warnings", ()))
    for text, times in told.items():
        yield "About the data", text + ("" if times == len(runs) else f" ({times} of {len(runs)} runs)")
    people = data.get("patients", {}).get(part)
    volumes = len({row["case"] for row in runs[0].records[0].volumes})
    if (volumes if people is None else people) < FEW_PATIENTS:
        known = "" if people is None else f"{people} patient{'' if people == 1 else 's'}, "
        count = f"{known}{volumes} volumes"
        yield f"Few {PARTS[part]} patients: one patient can decide a small difference", count
    steps = [count for run in runs for record in run.records for count in _iterations(record)]
    if steps and min(steps) < FEW_STEPS:
        kind = f"Networks trained for fewer than {FEW_STEPS:,} steps: scores also reflect how fast they learn"
        yield kind, f"from {min(steps):,.0f}"
    starts = {run.recipe: str(r.signals["init"]) for run in runs for r in run.records if "init" in r.signals}
    if weights := [recipe for recipe, start in starts.items() if start.startswith("random")]:
        yield (
            "Encoders started from random weights; published ones start from ImageNet",
            enumerated(weights, MOST_NAMES),
        )
    if lost := warning(embeddings(runs)):
        yield lost
    if relaxed := Counter(run.recipe for run in runs for record in run.records if record.signals.get("spread")):
        rounds = Counter(run.recipe for run in runs for _ in run.records)
        texts = [f"{recipe} in {times} of {rounds[recipe]} rounds" for recipe, times in relaxed.items()]
        yield "Limits on the spread of picks were relaxed where too few slices kept them", enumerated(texts, MOST_NAMES)
    if any(record.signals.get("labels") == "simulated" for run in runs for record in run.records):
        yield "Scribbles were simulated from masks, not drawn by an annotator", runs[0].setting[1]
