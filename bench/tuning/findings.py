"""The result of a tuning as text and tables: ``tuning.md`` and ``trials.csv``."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.atomic import write_atomic
from alseg_core.errors import plural
from alseg_core.results import RunFolder
from bench.study.identity import RunIdentity
from bench.templates import templates
from bench.tuning.comparison import command
from bench.tuning.full_loop import Candidate, Verdict
from bench.tuning.importance import FEW, importances
from bench.tuning.label_audit import LabelAudit
from bench.tuning.places import get
from bench.tuning.recipe import difference
from bench.tuning.spec import Tuning
from bench.tuning.trial_pictures import ARTIFACTS
from bench.tuning.trials import OWN, Trials, outcome

PICTURES = ("importance", "slices", "history")
"""Pictures of a tuning, beside its text."""

NOTHING = 0.01
"""Mean Dice below which a network has learned nothing."""


@dataclass(frozen=True)
class Findings:
    """Everything that the report of a tuning is made from."""

    tuning: Tuning
    raw: Mapping[str, Any]
    """The recipe's run without tuning, as plain data."""
    trials: Trials
    verdict: Verdict
    folder: Path
    """Folder of the tuning, with its trials."""
    recipe: Path
    """File of the tuned recipe."""
    storage: str
    """URL of Optuna's storage, without password."""
    test: Collection[str]
    """Cases of the split's test volumes."""


def write_table(findings: Findings, path: Path) -> None:
    """Write one row per trial: number, state, value after each rung, outcome and settings."""
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
            values = [_shown(settings[key], get(findings.raw, key)) if key in settings else "" for key in space]
            table.writerow([trial.number, trial.state.name, *reached, outcome(trial), own, *values])


def conclusion(findings: Findings) -> str:
    """Return the result in one sentence."""
    verdict = findings.verdict
    seeds = verdict.scores.shape[1]
    own = f"{verdict.scores[0].mean():.3f}"
    if verdict.best == 0:
        return (
            f"Nothing beats the recipe's own settings (AUBC {own}, mean of {plural(seeds, 'seed')}); the tuned recipe "
            "is the recipe as it is."
        )
    best, reached = verdict.candidates[verdict.best], verdict.scores[verdict.best].mean()
    return (
        f"{capitalised(best.title)} reaches AUBC {reached:.3f}, the recipe's own settings {own}: {gained(verdict)}; "
        + ("that may be chance." if verdict.chance else "as the best of several it is still optimistic.")
    )


def caution(trials: Trials) -> str | None:
    """Return why the trials cannot be ranked, or None: all of them score nothing, or the same."""
    reached = [trial.intermediate_values for trial in trials.finished() if trial.intermediate_values]
    scores = {round(values[max(values)], 3) for values in reached}
    if len(reached) < 2:
        return None
    if max(scores) < NOTHING:
        return (
            f"All {len(reached)} trials score below {NOTHING}: no network has learned anything at these budgets, so "
            "this tuning says nothing about the settings. Train longer (proxy.share=1, or a preset with more steps) or "
            "take more budgets (proxy.budgets)."
        )
    if len(scores) > 1:
        return None
    return (
        f"All {len(reached)} trials have the same score, {scores.pop():.3f}: at these budgets the settings make no "
        "difference. Take more budgets (proxy.budgets), or tune other settings."
    )


def capitalised(text: str) -> str:
    """Return a text that begins a sentence."""
    return text[:1].upper() + text[1:]


def gained(verdict: Verdict) -> str:
    """Return the gain of the best over the recipe as it is, with the interval over seeds."""
    gain, half = verdict.gain(verdict.best)
    spread = f"95 % interval {gain - half:+.3f} to {gain + half:+.3f}" if np.isfinite(half) else "one seed, no interval"
    return f"{gain:+.3f} over {plural(verdict.scores.shape[1], 'seed')}, {spread}"


def story(tuning: Tuning, dataset: str, trials: Trials, verdict: Verdict) -> str:
    """Return how a tuned recipe was found, for the comment in its file."""
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
        f"{best.number} ({best.label}), best of the {len(verdict.candidates)} taken to the full loop (of "
        f"{len(trials.finished())} trials), the recipe's own settings among them. Area under the budget curve of "
        f"validation Dice by the full loop, mean of {plural(verdict.scores.shape[1], 'seed')}: {found}"
    )


def summary(verdict: Verdict) -> str:
    """Return the gain of a tuned recipe in a few words."""
    if verdict.candidates[verdict.best].own:
        return "no gain, its own settings"
    return f"validation AUBC {verdict.gain(verdict.best)[0]:+.3f}" + (", may be chance" if verdict.chance else "")


def write_text(findings: Findings, path: Path) -> None:
    """Write ``tuning.md``: what was found, how it was judged, whose labels were read and how to use it."""
    tuning, verdict, trials = findings.tuning, findings.verdict, findings.trials
    audit = LabelAudit.of(findings.folder)
    best = verdict.candidates[verdict.best]
    text = (
        templates(Path(__file__).parent)
        .get_template("findings.md.j2")
        .render(
            tuning=tuning,
            dataset=RunIdentity.read(findings.raw).dataset,
            conclusion=conclusion(findings),
            caution=caution(trials),
            finished=len(trials.finished()),
            complete=len(trials.complete()),
            failed=sum(trial.state.name == "FAIL" for trial in trials.all()),
            proxy_seeds=_span(range(tuning.proxy.seeds)),
            share=f"{tuning.proxy.share:.0%}",
            labelled=RunFolder(best.jobs[0].folder).records()[-1].labelled,
            full_seeds=_span([job.identity.seed for job in best.jobs]),
            scored=sorted(audit.scored),
            settings=_settings(findings),
            scores=_scores(findings),
            drawn=[name for name in PICTURES if (path.parent / f"{name}.png").exists()],
            importance=[[setting, f"{share:.2f}"] for setting, share in importances(trials).items()],
            judged=sum(1 in trial.intermediate_values for trial in trials.all()),
            few=FEW,
            reads=[[*key, slices] for key, slices in sorted(audit.slices.items())],
            test_volumes=audit.sentence(findings.test),
            recipe=findings.recipe,
            command=command(tuning, findings.recipe, findings.folder.parent),
            storage=findings.storage,
            artifacts=shlex.quote(str(findings.folder.parent / ARTIFACTS)),
        )
    )
    write_atomic(path, text)


Table = tuple[list[str], list[list[str]]]
"""Header and rows of a table in Markdown."""


def _settings(findings: Findings) -> Table:
    """The tuned settings, in a column for the recipe's own and one for each further candidate."""
    others = findings.verdict.candidates[1:]
    rows = []
    for path in findings.tuning.space:
        own = get(findings.raw, path)
        rows.append([path, *(_shown(value, own) for value in (own, *(other.settings[path] for other in others)))])
    return ["setting", "own", *(other.title for other in others)], rows


def _shown(value: Any, own: Any) -> str:
    """A setting in a table cell; of a mapping only the entries that differ from the recipe's own."""
    return "own" if isinstance(value, Mapping) and value == own else _plain(difference(value, own))


def _scores(findings: Findings) -> Table:
    """Scores of the full loop, one row per candidate."""
    verdict = findings.verdict
    seeds = [f"seed {job.identity.seed}" for job in verdict.candidates[verdict.best].jobs]
    head = ["", "proxy", "rank by proxy", *seeds, "mean", "sd", "gain over own (95 % interval)"]
    return head, [_score_row(findings, row) for row in range(len(verdict.candidates))]


def _score_row(findings: Findings, row: int) -> list[str]:
    candidate, scores = findings.verdict.candidates[row], findings.verdict.scores[row]
    gain, half = findings.verdict.gain(row)
    interval = f" ({gain - half:+.3f} to {gain + half:+.3f})" if np.isfinite(half) else ""
    spread = f"{scores.std(ddof=1):.3f}" if len(scores) > 1 else "-"
    name = "own" if candidate.own else candidate.title
    proxy = _proxy(findings.trials, candidate)
    gained = "" if candidate.own else f"{gain:+.3f}{interval}"
    return [name, *proxy, *(f"{value:.3f}" for value in scores), f"{scores.mean():.3f}", spread, gained]


def _proxy(trials: Trials, candidate: Candidate) -> tuple[str, str]:
    """Score of a candidate by the proxy, and its rank among the trials that ran all seeds."""
    complete = trials.complete()
    rank = next((rank for rank, trial in enumerate(complete, 1) if trial.number == candidate.number), None)
    return ("-", "-") if rank is None else (f"{complete[rank - 1].value:.3f}", f"{rank} of {len(complete)}")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _span(seeds: Sequence[int]) -> str:
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
