"""Starting a project: scans are looked at and prepared, and everything that could fail later is checked now."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from alseg_core.atomic import write_atomic
from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError, plural, shown, some
from alseg_core.material import open_material
from alseg_core.registry import NAME, construct, describe
from alseg_core.vocabulary import reads_ground_truth
from bench.project.exchange.names import check_cases
from bench.project.given import begin_with
from bench.project.own_scans import check_apart, own_scans
from bench.project.project import FILE, LOCK, STARTING, Decided, Kind, Project, locked, unusable
from bench.project.unchanged import LIST, remember
from bench.study import Study, find
from bench.study.assemble import combinations, describe_run
from bench.study.recipe_file import find_recipe
from bench.study.typeable import quoted

BACKGROUND = "background"
"""Name of the first class."""
LABELS = re.compile(r"(labels\.jsonl|[0-9a-f]{32}\.npy)(\.tmp)?")
"""Files that a start puts into ``labels/``; those of users have other names, and are never deleted."""
OPTIONS = {
    "annotations": "--kind",
    "recipes": "--recipe",
    "datasets": "--dataset",
    "seeds": "--seed",
    "preset": "--preset",
}
"""Settings of a study that are options of a project, of which there is one each."""
MINUTES: dict[Kind, float] = {"mask": 5.0, "scribble": 0.5}
"""Minutes that a slice takes, until they are measured."""


@dataclass(frozen=True)
class Wishes:
    """What the user asks for."""

    kind: Kind
    recipe: str
    batch: int
    images: Path | None = None
    """Folder of NIfTI scans; None for those of ``dataset``."""
    classes: tuple[str, ...] | None = None
    """Names of the classes, background first; None for those of ``dataset``."""
    validation: Path | None = None
    """Folder with ``images/`` and ``labels/`` of fully labelled scans."""
    dataset: str | None = None
    """Dataset by name or file, whose training patients are annotated."""
    data: str | None = None
    """Folder of its scans."""
    given: Path | None = None
    """Folder of masks that exist already."""
    given_slices: Path | None = None
    """Table of the slices that these masks hold; None = whole scans."""
    by_voxels: bool = False
    """Whether the voxels of masks without a position lie as in the scans."""
    seed: int = 0
    preset: str = "quick"
    planned: int = 10
    minutes: float | None = None
    enough: float = 0.01
    reader: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the reader of ``images``."""
    settings: tuple[str, ...] = ()
    """``key=value`` settings of a study."""


def new_project(
    folder: Path, wishes: Wishes, progress: Callable[[int, int, str], None] = lambda done, total, case: None
) -> tuple[Project, list[str]]:
    """Make the folder of a project; return it, and lines on what was found.

    Nothing is left behind unless the whole project can be made; what an earlier start has left that was killed is
    deleted. Raises ConfigError, DataError or ResultsError.
    """
    name = _checked(folder)
    _check_wishes(wishes)
    if wishes.images is not None:
        check_apart(folder, wishes.images, wishes.validation)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(error, folder) from None
    with locked(folder):
        _checked(folder)  # another command may have been faster
        (folder / STARTING).touch()
        try:
            _clear(folder)
            found = _make(folder, name, wishes, progress)
            (folder / STARTING).unlink()
        except BaseException:
            _clear(folder)
            for path in (folder / STARTING, folder / LOCK):
                path.unlink(missing_ok=True)
            if made:
                folder.rmdir()
            raise
    return found


def _clear(folder: Path) -> None:
    """Delete what a start makes, but for the files that tell of the start itself."""
    for path in folder.iterdir():
        if path.name not in (STARTING, LOCK):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _make(
    folder: Path, name: str, wishes: Wishes, progress: Callable[[int, int, str], None]
) -> tuple[Project, list[str]]:
    remarks: tuple[str, ...] = ()
    scored, dataset, data = True, wishes.dataset, wishes.data
    if wishes.images is not None:
        assert wishes.classes is not None
        own = own_scans(name, wishes.images, wishes.classes, wishes.validation, wishes.reader)
        path = folder / "dataset.yaml"
        head = f"# How the scans of the project {name} are read and prepared, inferred from their names and headers.\n"
        write_atomic(path, head + yaml.safe_dump(own.content, sort_keys=False, allow_unicode=True, width=120))
        dataset, data, remarks, scored = str(path), str(own.root), own.remarks, own.validation
    assert dataset is not None
    run = _run(dataset, data, wishes, scored)
    if wishes.images is None and not _scored(run):
        scored, run = False, _run(dataset, data, wishes, False)
    if run["dataset"]["root"] is not None:
        run["dataset"]["root"] = _stored(Path(run["dataset"]["root"]), folder)
    decided = Decided(
        name=name,
        kind=wishes.kind,
        batch=wishes.batch,
        planned=wishes.planned,
        minutes=MINUTES[wishes.kind] if wishes.minutes is None else wishes.minutes,
        enough=wishes.enough,
        begun=wishes.given is not None,
        run=run,
    )
    project = Project(folder, decided)
    config = project.config([1])
    config.resolve_device()
    _check_weights(config)
    config.check()
    material = open_material(config, project.store, progress)
    check_cases([*material.split.train])
    remember(project, config)
    pool, lines = len(material.slices), []
    if wishes.batch > pool:
        raise ConfigError(f"a round of {wishes.batch} slices was asked for, and the scans have {pool}; lower --batch.")
    if wishes.given is not None:
        lines += begin_with(project, config, material, wishes.given, wishes.given_slices, by_voxels=wishes.by_voxels)
    content = {field: getattr(decided, field) for field in Decided.__dataclass_fields__}
    construct(Decided, content, FILE)
    head = (
        f"# The project {name}: what was decided when it was started. Slices already chosen depend on it; leave it.\n"
    )
    write_atomic(folder / FILE, head + yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True, width=120))
    sizes = material.sizes()
    counts = {what: sizes[what]["train"] for what in ("volumes", "patients", "slices")}  # type: ignore[index]
    return project, [
        f"{folder}: {plural(counts['volumes'], 'scan')} of {plural(counts['patients'], 'patient')} with "
        f"{plural(counts['slices'], 'slice')}",
        f"classes: {', '.join(f'{number} = {name}' for number, name in enumerate(config.dataset.classes))}; kind: "
        f"{wishes.kind}; recipe: {config.recipe.name}; {plural(wishes.batch, 'slice')} a round",
        f"scan {material.split.train[0]} is of patient {material.prepared.info(material.split.train[0]).patient}",
        f"validation: {_judged(len(material.split.val) if scored else 0, counts['patients'])}",
        *lines,
        *(f"please check {remark}" for remark in remarks),
        f"if something is wrong: delete {folder} and start again; later it cannot be changed",
    ]


def _judged(scans: int, patients: int) -> str:
    """Return what tells how good the network is. scans: those for validation. patients: those to annotate."""
    if scans:
        return plural(scans, "labelled scan")
    if patients > 1:
        return "no labelled scans; the network is judged by cross-validation over the annotated slices"
    return (
        "no labelled scans, and cross-validation needs at least 2 patients: no Dice can be told; "
        "--validation DIR names labelled scans of others"
    )


def _scored(run: Mapping[str, Any]) -> bool:
    """Return whether the split of a dataset has validation scans, and all of them masks."""
    config = RunConfig.load({**run, "budgets": [1], "dataset": {**run["dataset"], "returned": "labels"}})
    root = None if config.dataset.root is None else Path(config.dataset.root)
    refs = config.dataset.reader.scan(root)
    cases = set(config.split.assign(refs).val)
    return bool(cases) and all("mask" in ref.files or not ref.files for ref in refs if ref.case in cases)


def _run(dataset: str, data: str | None, wishes: Wishes, scored: bool) -> dict[str, Any]:
    """Return all settings of the run, those of the benchmark but for where labels come from."""
    budgets = list(range(wishes.batch, wishes.batch * wishes.planned + 1, wishes.batch))
    study = Study.load(
        {
            "name": "project",
            "datasets": [dataset],
            "recipes": [wishes.recipe],
            "preset": wishes.preset,
            "annotations": [{"name": wishes.kind, "source": "annotators"}],
            "schedules": {"project": budgets},
            "seeds": [wishes.seed],
            **({} if data is None else {"data": data}),
        },
        wishes.settings,
    )
    study.check_folders()
    found = list(combinations(study))
    if len(found) != 1:
        raise ConfigError(f"one dataset, recipe, kind and seed make a project; the settings give {len(found)} runs.")
    raw = describe_run(study, found[0])
    if raw["annotation"].get("name") != wishes.kind or raw["annotation"].get("source") != "annotators":
        raise ConfigError(
            f"recipe {raw['recipe']['name']!r} brings an annotation of its own, {shown(raw['annotation'])}; a project "
            f"is annotated by people (--kind {wishes.kind}): use another recipe."
        )
    raw["evaluate"] = {**raw["evaluate"], "part": "val" if scored else "none"}
    if not scored:
        raw["validation"] = "none"
    raw["dataset"]["returned"] = "labels"
    described = RunConfig.load(raw).describe()
    del described["dataset"]["returned"], described["budgets"]
    return described


def _stored(root: Path, folder: Path) -> str:
    """Return the folder of the scans as ``project.yaml`` has it: relative where both lie in one folder."""
    root, home = root.resolve(), folder.resolve()
    return os.path.relpath(root, home) if root.is_relative_to(home.parent) else str(root)


def _check_weights(config: RunConfig) -> None:
    """Raise ConfigError, naming the setting, when the weights that the recipe's encoder starts from cannot be had."""
    embed = config.recipe.embed
    if embed is None:
        return
    try:
        embed.check()
    except ConfigError as error:
        if not hasattr(embed, "init"):
            raise
        raise ConfigError(f"{error} As an option: --set components.{describe(embed)['name']}.init=random") from None


def _check_settings(wishes: Wishes) -> None:
    """Raise ConfigError for settings that a project has an option for, and for trainings of the other kind."""
    for setting in wishes.settings:
        key, _, value = setting.partition("=")
        first, _, rest = key.strip().partition(".")
        if option := OPTIONS.get(first):
            example = f"{option} {value}" if NAME.fullmatch(value) else option
            raise ConfigError(f"--set {setting}: a project has an option for that; use {example}")
        trained = rest.partition(".")[0]
        if first == "train" and trained in MINUTES and trained != wishes.kind:
            raise ConfigError(
                f"--set {setting}: it is about training on annotations of the kind {trained}, and this project is of "
                f"the kind {wishes.kind}; set train.{wishes.kind}, or use --kind {trained}"
            )


def _checked(folder: Path) -> str:
    """Return the name of the project. Raises ConfigError for a folder that cannot be made one."""
    name = folder.resolve().name
    if not NAME.fullmatch(name) or name.endswith("."):
        raise ConfigError(
            f"the name of a project, which is that of its folder, has letters without accents, digits, '_', '.', '+' "
            f"and '-', got {shown(name)}."
        )
    if (folder / FILE).exists():
        raise ConfigError(f"{folder} is a project already; alseg project status {quoted(folder)} shows how far it is.")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; a project starts in a new folder.")
    there = sorted(folder.iterdir()) if folder.exists() else []
    begun = any(path.name == STARTING for path in there)
    if others := [path.name for path in there if not _of_start(path, begun)]:
        why = "An earlier start was cut off there; move away what is not of it, or delete the folder." if begun else ""
        raise ConfigError(
            f"{folder} is not empty (it has {some(others)}); a project starts in a new folder. {why}".rstrip()
        )
    return name


def _of_start(path: Path, begun: bool) -> bool:
    """Return whether a start has made a file or folder. begun: whether there was one that did not come to its end."""
    name = path.name.removesuffix(".tmp")
    if not begun or name != "labels":
        return name in (STARTING, LOCK) or (begun and name in ("dataset.yaml", FILE, LIST, "run", "store"))
    return path.is_dir() and all(LABELS.fullmatch(file.name) for file in path.iterdir())


def _check_wishes(wishes: Wishes) -> None:
    _check_settings(wishes)
    if (wishes.images is None) == (wishes.dataset is None):
        raise ConfigError("say which scans: either --images FOLDER, or --dataset NAME with --data FOLDER.")
    if wishes.images is not None and (wishes.classes is None or len(wishes.classes) < 2):
        raise ConfigError("name the classes, background first: --classes background,liver")
    if wishes.classes is not None and wishes.classes[0].casefold() != BACKGROUND:
        raise ConfigError(
            f"the first class is {BACKGROUND}, what no structure covers, got {shown(wishes.classes[0])}: --classes "
            f"{','.join((BACKGROUND, *wishes.classes))}"
        )
    if wishes.classes is not None and "ignore" in wishes.classes:
        raise ConfigError("no class can be named ignore: programs take that for pixels that are not annotated.")
    if wishes.dataset is not None:
        own = {"--classes": wishes.classes, "--validation": wishes.validation}
        if given := [option for option, value in own.items() if value is not None]:
            raise ConfigError(f"{' and '.join(given)}: the dataset {wishes.dataset} says that itself; leave it out.")
        find("dataset", wishes.dataset)
    if wishes.given_slices is not None and wishes.given is None:
        raise ConfigError("--given-slices names slices of the masks in --given FOLDER, which is missing.")
    if wishes.by_voxels and wishes.given is None:
        raise ConfigError("--by-voxels is about the masks in --given FOLDER, which is missing.")
    name = str(find_recipe(wishes.recipe)["name"])
    if reads_ground_truth(name):
        raise ConfigError(f"recipe {name!r} reads ground truth, and there is none before annotators give it.")


def _plain(value: Any) -> Any:
    """Return lists in the place of tuples, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in a list with commas."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())
