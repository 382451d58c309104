"""Summary of a study before it runs: one line when it starts, a table when only an estimate is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.study.durations import clock, duration
from bench.terminal.run_progress import labels

if TYPE_CHECKING:
    from rich.console import Group

    from bench.planning.forecast import Course, Forecast
    from bench.planning.workload import Workload
    from bench.study.identity import RunIdentity

_BUSY = "the machine is busy now, {}: less certain"
"""Note on times on a machine that has other work to do."""


def announcement(workload: Workload, forecast: Forecast, remote: str | None = None) -> str:
    """Return one line: what is finished, what is left, and about how long that takes.

    remote: where the runs execute if not on this machine.
    """
    name, runs = workload.study.name, len(workload.jobs)
    if not workload.todo:
        return f"study {name}: all {runs} runs are finished"
    rounds, done = sum(job.rounds for job in workload.jobs), sum(workload.done.values())
    head = f"study {name}: {runs} runs, {rounds} rounds"
    if done:
        ended = runs - len(workload.todo)
        head += f", of which {ended} runs and {done} rounds are finished; left: {rounds - done} rounds"
    what = [head, _trainings(forecast)]
    if new := forecast.total("new_encoders"):
        what.append(f"{new} encoder{'s' * (new > 1)}")
    if not forecast.measured:
        what.append(f"on {remote}")
        return ", ".join(what)
    note = f" ({_BUSY.format(forecast.busy)})" if forecast.busy else ""
    return f"{', '.join(what)}, {forecast.places} at once: about {duration(forecast.wall)}{note}"


def damage(workload: Workload) -> list[str]:
    """Return one line for each damaged run, by its name, with what is wrong and what happens to it."""
    names = labels(workload.jobs)
    return [f"damaged: {names[key]}: {fault}" for key, fault in workload.damaged.items()]


def closing(workload: Workload, seconds: float) -> str:
    """Return how long the study took: "5 recipes x 5 seeds: 25 runs in 7 min 35 s"."""
    runs, ran = len(workload.jobs), len(workload.todo)
    counts: dict[str, set[object]] = {
        "dataset": {job.identity.dataset for job in workload.jobs},
        "annotation": {job.identity.annotation for job in workload.jobs},
        "budget schedule": {job.identity.schedule for job in workload.jobs},
        "recipe": {job.identity.recipe for job in workload.jobs},
        "seed": {job.identity.seed for job in workload.jobs},
    }
    shape = " x ".join(_count(len(found), what) for what, found in counts.items() if len(found) > 1) or "1 recipe"
    if not ran:
        return f"{shape}: {_count(runs, 'run')}, all finished before"
    earlier = f", {runs - ran} of {runs} finished before" if ran < runs else ""
    return f"{shape}: {_count(ran, 'run')} in {clock(seconds)} in all{earlier}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _trainings(forecast: Forecast) -> str:
    """Return the number of trainings to do, and of those shared with other runs."""
    wanted, shared = forecast.total("trainings"), forecast.total("shared_trainings")
    return f"{wanted - shared} trainings" + (f" (and {shared} shared)" if shared else "")


def estimate(workload: Workload, forecast: Forecast, remote: str | None = None) -> Group:
    """Return the table of ``alseg bench --estimate`` for a rich console; ``remote`` as in :func:`announcement`."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(workload, forecast, remote):
        facts.add_row(name, value)
    recipes = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    recipes.add_column("recipe")
    for head in ("runs left", "rounds left", "trainings", "a run takes"):
        recipes.add_column(head, justify="right")
    for row in _recipes(workload, forecast):
        recipes.add_row(*row)
    title = Text(f"study {workload.study.name}, estimated; nothing was started")
    return Group(title, Text(), facts, recipes) if workload.todo else Group(title, Text(), facts)


def _facts(workload: Workload, forecast: Forecast, remote: str | None) -> Iterator[tuple[str, str]]:
    yield from _comparison(workload, forecast)
    runs, rounds, done = len(workload.jobs), sum(job.rounds for job in workload.jobs), sum(workload.done.values())
    yield "runs", f"{runs}: {runs - len(workload.todo)} finished, {len(workload.todo)} left"
    yield "rounds", f"{rounds}: {done} finished, {rounds - done} left"
    wanted, found = forecast.total("trainings"), forecast.total("shared_trainings")
    yield "trainings", f"{wanted - found} to do, {found} saved (in the store, or done once for several runs)"
    encoders, new, different = forecast.total("encoders"), forecast.total("new_encoders"), forecast.distinct_encoders
    yield "encoders", f"{new} to train, {encoders - new} saved ({different - new} of {different} are in the store)"
    seconds, saved = sum(forecast.left.values()), forecast.total("saved")
    yield "computing", f"{_hours(workload, seconds)}, {_hours(workload, saved)} saved"
    yield "time", _time(forecast)
    for warning in forecast.warnings:
        yield "warning", warning
    if forecast.busy:
        yield "note", _BUSY.format(forecast.busy)
    yield "disk", f"{_size(forecast.disk)} of results, {_size(forecast.stored)} more in the store"
    if forecast.places is None:
        yield "assumed", f"{remote or 'the launcher'} is as fast as this machine, on which steps were timed"


def _comparison(workload: Workload, forecast: Forecast) -> Iterator[tuple[str, str]]:
    """Yield what is compared: datasets, annotations, recipes, seeds, and the budgets of every setting."""
    known = [job.identity for job in workload.jobs]
    yield "dataset", ", ".join(dict.fromkeys(run.dataset for run in known))
    yield "annotation", ", ".join(dict.fromkeys(run.annotation for run in known))
    recipes = list(dict.fromkeys(run.recipe for run in known))
    yield "recipes", f"{len(recipes)}: {', '.join(recipes)}"
    seeds = sorted({run.seed for run in known})
    yield "seeds", f"{len(seeds)}: {ranges(seeds)}"
    budgets: dict[str, list[str]] = {}
    for run, job in zip(known, workload.jobs, strict=True):
        found = budgets.setdefault(_budgets(run, forecast.courses[job.key]), [])
        if (name := " ".join(dict.fromkeys([run.dataset, run.annotation, run.schedule]))) not in found:
            found.append(name)
    for text, names in budgets.items():
        yield "budgets", text if len(budgets) == 1 else f"{text}: {', '.join(names)}"


def _budgets(run: RunIdentity, course: Course) -> str:
    """Return the budgets of a run, such as "2 % (15 slices), 6 % (45), of 750 slices"."""
    parts: list[str] = []
    for budget, count in zip(run.budgets, course.labelled, strict=True):
        unit = "" if parts else " slices"
        parts.append(f"{100 * budget:g} % ({count}{unit})" if isinstance(budget, float) else f"{count}{unit}")
    return f"{', '.join(parts)}, of {course.pool:,} slices"


def ranges(numbers: list[int]) -> str:
    """Return sorted numbers as text, "0 to 4" where they are consecutive."""
    consecutive = len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1
    return f"{numbers[0]} to {numbers[-1]}" if consecutive else ", ".join(map(str, numbers))


def _hours(workload: Workload, seconds: float) -> str:
    """Return computing time as GPU-hours, or core-hours of a study without GPUs."""
    run = workload.study.resources
    amount, unit = (run.gpus, "GPU") if run.gpus else (run.cpus, "core")
    return f"{seconds * amount / 3600:.2f} {unit}-hours"


def _time(forecast: Forecast) -> str:
    """Return how long the study will take."""
    if not forecast.left:
        return "none"
    if forecast.places is None:
        longest = max(forecast.left.values())
        return f"{duration(sum(forecast.left.values()))} by the number of runs at once, at least {duration(longest)}"
    return f"about {duration(forecast.wall)}, {forecast.places} at once"


def _recipes(workload: Workload, forecast: Forecast) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of recipes: name, runs and rounds left, trainings, time of a run; longest first."""
    left = forecast.left  # which puts all runs in order
    unfinished: dict[str, list[str]] = {}
    for job in workload.jobs:
        if job.key in left:
            unfinished.setdefault(job.identity.recipe, []).append(job.key)
    for recipe, keys in sorted(unfinished.items(), key=lambda item: -sum(left[key] for key in item[1])):
        courses = [forecast.courses[key] for key in keys]
        yield (
            recipe,
            str(len(keys)),
            str(sum(len(course.rounds) - course.done for course in courses)),
            str(sum(course.trainings - course.shared_trainings for course in courses)),
            _span([course.left for course in courses]),
        )


def _span(seconds: list[float]) -> str:
    """Return the shortest and the longest of several durations as text."""
    low, high = duration(min(seconds)), duration(max(seconds))
    return low if low == high else f"{low} to {high}"


def _size(count: int) -> str:
    """Return a number of bytes as text."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"
