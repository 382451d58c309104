"""What a tuning found, as text and tables: ``tuning.md`` and ``trials.csv``."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.results import RunFolder, write_atomic
from bench.study.identity import RunIdentity
from bench.tuning.full_loop import Candidate, Verdict
from bench.tuning.importance import FEW, importances
from bench.tuning.label_audit import Reading
from bench.tuning.recipe import difference
from bench.tuning.spec import Tuning, get
from bench.tuning.trials import OWN, Trials, outcome


@dataclass(frozen=True)
class Findings:
    """Everything that a report is about.

    raw: the recipe's run without tuning. recipe: file of the tuned recipe. test: cases of the split's test volumes.
    """

    tuning: Tuning
    raw: Mapping[str, Any]
    trials: Trials
    verdict: Verdict
    folder: Path
    recipe: Path
    storage: str
    test: Collection[str]


def write_table(findings: Findings, path: Path) -> None:
    """One row a trial: number, state, value after each rung, what became of it, settings."""
    space = list(findings.tuning.space)
    rungs = range(1, findings.tuning.proxy.seeds + 1)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["trial", "state", *(f"aubc_{rung}_seeds" for rung in rungs), "outcome", "own", *space])
        for trial in findings.trials.all():
            judged = trial.state.name in ("COMPLETE", "PRUNED")
            settings = findings.tuning.settings_of(trial.params, findings.raw) if judged else {}
            reached = [trial.intermediate_values.get(rung, "") for rung in rungs]
            own = bool(trial.user_attrs.get(OWN))
            values = [_told(settings[key], get(findings.raw, key)) if key in settings else "" for key in space]
            table.writerow([trial.number, trial.state.name, *reached, outcome(trial), own, *values])


def conclusion(findings: Findings) -> str:
    """One sentence on what came out."""
    verdict = findings.verdict
    seeds = verdict.scores.shape[1]
    own = f"{verdict.scores[0].mean():.3f}"
    if verdict.best == 0:
        return (
            f"Nothing beats the recipe's own settings (AUBC {own}, mean of {seeds} seed(s)); the tuned recipe is the "
            "recipe as it is."
        )
    return (
        f"Trial {verdict.candidates[verdict.best].number} reaches AUBC {verdict.scores[verdict.best].mean():.3f}, the "
        f"recipe's own settings {own}: {gained(verdict)}; "
        + ("that may be chance." if verdict.chance else "as the best of several it is still flattered.")
    )


def gained(verdict: Verdict) -> str:
    """What the best has gained over the recipe as it is, with the interval over seeds."""
    gain, half = verdict.gain(verdict.best)
    spread = f"95 % interval {gain - half:+.3f} to {gain + half:+.3f}" if np.isfinite(half) else "one seed, no interval"
    return f"{gain:+.3f} over {verdict.scores.shape[1]} seed(s), {spread}"


def story(tuning: Tuning, dataset: str, trials: Trials, verdict: Verdict) -> str:
    """Where a tuned recipe comes from: comment of its file."""
    best, means = verdict.candidates[verdict.best], verdict.scores.mean(axis=1)
    own, its = (f"by the proxy {', rank '.join(_proxy(trials, each))}" for each in (verdict.candidates[0], best))
    found = f"AUBC {means[verdict.best]:.3f} ({its})"
    if best.own:
        found += "; these are the recipe's own settings, which nothing beat."
    else:
        found += f", the recipe's own settings {means[0]:.3f} ({own}): {gained(verdict)}"
        found += "; that may be chance." if verdict.chance else "."
    return (
        f"Tuned on validation volumes of {dataset}, preset {tuning.base().preset}, by tuning {tuning.name}: trial "
        f"{best.number}, best of the {len(verdict.candidates)} taken to the full loop (of {len(trials.finished())} "
        "trials), the recipe's own settings among them. Area under the budget curve of validation Dice by the full "
        f"loop, mean of {verdict.scores.shape[1]} seed(s): {found}"
    )


def summary(verdict: Verdict) -> str:
    """What a tuned recipe has gained, in a few words."""
    if verdict.candidates[verdict.best].own:
        return "no gain, its own settings"
    return f"validation AUBC {verdict.gain(verdict.best)[0]:+.3f}" + (", may be chance" if verdict.chance else "")


def write_text(findings: Findings, path: Path) -> None:
    """``tuning.md``."""
    tuning, verdict, trials = findings.tuning, findings.verdict, findings.trials
    read = Reading.of(findings.folder)
    done, complete = trials.finished(), trials.complete()
    best = verdict.candidates[verdict.best]
    first = RunFolder(best.jobs[0].folder).records()
    scored = sorted(read.scored)
    failed = sum(trial.state.name == "FAIL" for trial in trials.all())
    lines = [
        f"# Tuning of {tuning.recipe} on {RunIdentity.read(findings.raw).dataset}",
        "",
        conclusion(findings),
        "",
        f"- {len(done)} trials: {len(complete)} judged to the end, {len(done) - len(complete)} stopped early; "
        f"{failed} failed.",
        f"- Proxy: AUBC of validation Dice over the preset's {tuning.proxy.budgets} lowest budgets, seeds "
        f"{_span(range(tuning.proxy.seeds))} in turn, {tuning.proxy.share:.0%} of the preset's training steps.",
        f"- Full loop: the preset's own budgets up to {first[-1].labelled} slices, seeds "
        f"{_span([job.identity.seed for job in best.jobs])}, which no trial had seen.",
        f"- Scored on {len(scored)} validation volumes: {', '.join(scored)}. The same volumes choose each network's "
        "best step, so the level of these scores is flattered; what is compared is flattered alike.",
        "",
        "## Settings",
        "",
        *_pipes(["setting", "own", *(f"trial {c.number}" for c in verdict.candidates[1:])], _settings(findings)),
        "",
        "## The full loop",
        "",
        *_pipes(
            [
                "",
                "proxy",
                "rank by proxy",
                *(f"seed {job.identity.seed}" for job in best.jobs),
                "mean",
                "sd",
                "gain over own (95 % interval)",
            ],
            [_scores(findings, row) for row in range(len(verdict.candidates))],
        ),
        "",
        "The proxy chose who is here, on other seeds and with fewer slices; its values cannot be compared with those "
        "of the full loop, its ranks can.",
        "",
        "The interval is Student's t over seeds and holds for one comparison chosen beforehand; the best of several is "
        "flattered. A claim needs a study on test volumes with further seeds.",
        "",
        "## Importance",
        "",
        *_importance(trials),
        "",
        "![importance](importance.png)",
        "![slices](slices.png)",
        "![history](history.png)",
        "",
        "## Who read which labels",
        "",
        *_pipes(["who", "what", "slices"], [[*key, str(n)] for key, n in sorted(read.slices.items())]),
        "",
        read.told(findings.test),
        "",
        "## How to use it",
        "",
        f"The tuned recipe is {findings.recipe}. On test volumes, beside the recipe as it is:",
        "",
        f"    make bench DATASET={tuning.dataset} {f'DATA={tuning.data} ' if tuning.data else ''}SEEDS=5 "
        f'RECIPES="random {tuning.recipe} {_as_recipe(findings.recipe)}"',
        "",
        f"All trials: `optuna-dashboard {findings.storage}`. The same command with more trials goes on from here.",
        "",
    ]
    write_atomic(path, "\n".join(lines))


def _settings(findings: Findings) -> list[list[str]]:
    rows = []
    for path in findings.tuning.space:
        own = get(findings.raw, path)
        others = [candidate.settings[path] for candidate in findings.verdict.candidates[1:]]
        rows.append([path, *(_told(value, own) for value in (own, *others))])
    return rows


def _told(value: Any, own: Any) -> str:
    """A setting as a reader wants it: of a mapping what differs from the recipe's own."""
    return "own" if isinstance(value, Mapping) and value == own else _plain(difference(value, own))


def _scores(findings: Findings, row: int) -> list[str]:
    verdict = findings.verdict
    candidate, scores = verdict.candidates[row], verdict.scores[row]
    gain, half = verdict.gain(row)
    told = (
        ""
        if candidate.own
        else f"{gain:+.3f}" + (f" ({gain - half:+.3f} to {gain + half:+.3f})" if half == half else "")
    )
    spread = f"{scores.std(ddof=1):.3f}" if len(scores) > 1 else "-"
    name = "own" if candidate.own else f"trial {candidate.number}"
    proxy = _proxy(findings.trials, candidate)
    return [name, *proxy, *(f"{value:.3f}" for value in scores), f"{scores.mean():.3f}", spread, told]


def _proxy(trials: Trials, candidate: Candidate) -> tuple[str, str]:
    """What a candidate reached by the proxy, and its place among the trials that were judged to the end."""
    complete = trials.complete()
    place = next((place for place, trial in enumerate(complete, 1) if trial.number == candidate.number), None)
    return ("-", "-") if place is None else (f"{complete[place - 1].value:.3f}", f"{place} of {len(complete)}")


def _importance(trials: Trials) -> list[str]:
    found = importances(trials)
    if not found:
        return ["Too few trials to say."]
    count = sum(1 in trial.intermediate_values for trial in trials.all())
    warning = f" With fewer than {FEW} this is mostly noise." if count < FEW else ""
    note = f"Share that PED-ANOVA ascribes to each setting, from {count} trials after their first seed."
    return [note + warning, "", *_pipes(["setting", "importance"], [[k, f"{v:.2f}"] for k, v in found.items()])]


def _pipes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _span(seeds: Sequence[int]) -> str:
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


def _as_recipe(path: Path) -> str:
    """How a study names the recipe: by its name where it lies in the catalogue, else by its path."""
    from bench.study import experiments

    return path.stem if path.parent == experiments() / "recipes" else str(path)
