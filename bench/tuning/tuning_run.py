"""Execution of a tuning: its trials, the full loop of the best ones, the tuned recipe and the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.errors import AlsegError, ConfigError, plural
from bench.launchers.launcher import Policy
from bench.planning import workload
from bench.study.identity import RunIdentity
from bench.study.reserved import TUNING
from bench.tracking import shown
from bench.tuning.spec import Tuning
from bench.tuning.storage import answering, open_storage, storage_url
from bench.tuning.trial import TrialFolder
from bench.tuning.trials import OWN, TrialPlan, Trials

if TYPE_CHECKING:
    from optuna import Trial

    from bench.launchers.launcher import TrialLauncher
    from bench.planning.forecast import Course
    from bench.study import Study
    from bench.terminal.progress import Display
    from bench.tuning.findings import Findings
    from bench.tuning.full_loop import Candidate, Verdict
    from bench.tuning.trial_tracker import TrialTracker

EMPTY: Mapping[str, Course] = {}
"""Courses where nothing was measured."""


@dataclass(frozen=True)
class Launch:
    """A tuning that can run on this machine."""

    tuning: Tuning
    raw: Mapping[str, Any]
    """The recipe's run without tuning, as plain data."""
    study: Study
    """The study with the settings of the tuning."""
    out: Path
    """Folder of all results."""
    launcher: TrialLauncher
    display: Display

    @classmethod
    def of(
        cls, tuning: Tuning, out: Path, launcher: TrialLauncher, display: Display, coming: Collection[str] = ()
    ) -> Launch:
        """Check a tuning without writing anything.

        coming: names of datasets whose scans are still to be downloaded.
        Raises ConfigError if the tuning is invalid or asks for more than this machine has.
        """
        study, raw = tuning.base(), tuning.run()
        study.check_folders(coming)
        launch = cls(tuning, raw, study, out, launcher, display)
        tuning.check(raw)
        runs = tuning.trial_runs(raw, launch.own)
        workload.check_components(runs)
        launcher.check(study, runs)
        return launch

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return RunIdentity.read(self.raw).dataset

    @property
    def folder(self) -> Path:
        """Folder of the tuning's runs and its report."""
        return self.out / f"{TUNING}{self.tuning.name}-{self.dataset}"

    @property
    def own(self) -> dict[str, Any]:
        """The recipe's own settings."""
        return self.tuning.own(self.raw)

    def run(self, url: str | None, recipes: Path | None) -> None:
        """Start or continue the tuning, and write the tuned recipe and the report.

        url: Optuna's storage, None = the default. recipes: folder for the tuned recipe, None = the catalogue.
        Raises AlsegError when the recipe's own settings fail in the full loop.
        """
        from bench.tuning.full_loop import candidates, verdict
        from bench.tuning.trial_tracker import TrialTracker

        url = storage_url(self.out, url)
        with answering(url):
            trials = self._trials(url)
            tracker = TrialTracker(self.folder.name, self.out, trials)
            if self._left(trials):
                self._work(trials, tracker)
            judged = verdict(candidates(self.tuning, self.raw, trials, self.folder))
            if not judged.whole(0):
                raise AlsegError(
                    f"the recipe's own settings could not be scored: {judged.candidates[0].failure()}. The same "
                    "command tries again."
                )
            with self.display.stage("writing the report"):
                found, untracked = self._write(url, trials, judged, recipes, tracker)
            self.display.stop()
            self._tell(found, untracked)

    def _trials(self, url: str) -> Trials:
        tuning = self.tuning
        runs = [config.fingerprint for config in tuning.trial_runs(self.raw, self.own)]
        plan = TrialPlan(
            name=self.folder.name,
            folder=str(self.folder),
            made_with={"runs": runs, "space": tuning.described_space(), "reduction": tuning.proxy.reduction},
            own=tuning.default(self.raw),
            total=tuning.trials,
            seed=tuning.seed,
            startup=tuning.startup,
            reduction=tuning.proxy.reduction,
        )
        return Trials.open(open_storage(url), plan)

    def _left(self, trials: Trials) -> bool:
        """Return whether anything is left to run."""
        from bench.tuning.full_loop import candidates

        if trials.wanted() > 0 or trials.left_running():
            return True
        found = candidates(self.tuning, self.raw, trials, self.folder)
        return not all(job.finished() for candidate in found for job in candidate.jobs)

    def _work(self, trials: Trials, tracker: TrialTracker) -> None:
        """Run the trials that are left, and the full loop of the best ones."""
        from bench.tuning.full_loop import candidates

        policy = Policy.of(self.study, self.folder, self.out / "store", self._places())
        with self.launcher.start(policy):  # the launcher starts while the data are prepared
            courses = self._announce(trials, policy.places)
            self._search(trials, policy, tracker, courses)
            self._judge(candidates(self.tuning, self.raw, trials, self.folder), policy, courses)

    def _places(self) -> int | None:
        """Return how many trials run at the same time; None if the launcher does not know yet."""
        runs = self.tuning.full_runs(self.raw, self.own)
        most = max(self.tuning.trials, len(runs) * (self.tuning.full.top + 1))
        return self.launcher.places(self.study, runs[:1] * most)

    def _announce(self, trials: Trials, places: int | None) -> Mapping[str, Course]:
        """Say what will run and how long that takes; return the courses of runs, as :meth:`_outlook` does."""
        wanted = max(0, trials.wanted()) + len(trials.left_running())
        return self._outlook(f"{self.tuning.trials} trials, {wanted} of them left", wanted, places)

    def estimate(self) -> None:
        """Print what a tuning without earlier trials would run. Only prepared data are written."""
        self._outlook(f"{self.tuning.trials} trials", self.tuning.trials, self._places())

    def _outlook(self, amount: str, wanted: int, places: int | None) -> Mapping[str, Course]:
        """Prepare the data; print what ``wanted`` trials and the full loop run, and how long that takes at most.

        Returns the courses of the runs with the recipe's own settings, none if ``places`` is None, as times cannot be
        measured then.
        """
        from alseg_core.store import Store
        from bench.planning.forecast import forecast
        from bench.planning.order import wall
        from bench.planning.stopwatch import Stopwatch
        from bench.study.durations import duration

        tuning = self.tuning
        proxy, full = tuning.trial_runs(self.raw, self.own), tuning.full_runs(self.raw, self.own)
        both = [*proxy, *full]
        store = self.out / "store"
        plans = workload.plans_of(both, store, self.display.preparing)
        budgets = ", ".join(str(count) for count in plans[proxy[0].key].budgets)
        first, then = plural(len(proxy), "seed"), plural(len(full), "further seed")
        what = (
            f"tuning {tuning.recipe} on {self.dataset}: {amount}, each on up to {first} at {budgets} slices; then the "
            f"best {tuning.full.top} beside the recipe's own settings on {then} by the full loop; scored on validation "
            "volumes only"
        )
        if places is None:
            self.display.say(f"{what}; on {self.launcher.remote}" if self.launcher.remote else what)
            return {}
        with self.display.stage("measuring this machine"):
            courses = forecast(both, plans, dict.fromkeys(plans, 0), Store(store), Stopwatch(), places).courses
        trial = sum(courses[config.key].seconds for config in proxy)
        last = [courses[config.key].seconds for config in full] * (tuning.full.top + 1)
        most = wall([trial] * wanted, places) + wall(last, places)
        self.display.say(f"{what}; {places} at once: at most about {duration(most)}", fold=True)
        return courses

    def _search(
        self, trials: Trials, policy: Policy, tracker: TrialTracker, courses: Mapping[str, Course] = EMPTY
    ) -> None:
        """Run the trials that are left."""
        from bench.planning.forecast import Course
        from bench.tuning.optuna_search import OptunaQueue
        from bench.tuning.trial_pictures import ARTIFACTS, attach
        from bench.tuning.trial_progress import TrialProgress

        if not (trials.left_running() or trials.wanted() > 0):
            return

        runs = self.tuning.trial_runs(self.raw, self.own)
        progress = TrialProgress(
            self.display,
            [courses.get(run.key) or Course.even(len(run.budgets)) for run in runs],
            left=len(trials.left_running()) + max(0, trials.wanted()),
            finished=len(trials.finished()),
            places=policy.places,
            measured=bool(courses),
            first=self.launcher.starting,
        )

        def tell(number: int, outcome: str) -> None:
            trial = trials.all()[number]
            progress.ended(number, outcome, bool(trial.user_attrs.get(OWN)), trial.state.name == "FAIL")
            tracker.changed()

        rungs, prepare = self.tuning.proxy.seeds, lambda trial: self._prepare(trials, trial)
        keep = partial(attach, store=self.out / ARTIFACTS)
        self.launcher.search(OptunaQueue(trials, rungs, policy.retries, prepare, tell, progress, keep), policy)

    def _prepare(self, trials: Trials, trial: Trial) -> Path | None:
        """Write the folder of a trial with its runs and return it; None for settings that are invalid together."""
        settings = self.tuning.suggest(trial, self.raw)
        folder = TrialFolder.of(trial.number, self.folder)
        try:
            folder.write(trial.number, settings, self.tuning.trial_runs(self.raw, settings))
        except ConfigError as error:
            folder.write(trial.number, settings, [])
            trials.refused(trial, str(error))
            return None
        return folder.path

    def _judge(self, found: Sequence[Candidate], policy: Policy, courses: Mapping[str, Course]) -> None:
        """Run the full loop, seed by seed."""
        from bench.planning.forecast import Forecast
        from bench.terminal.run_progress import RunProgress

        jobs = [job for same_seed in zip(*(candidate.jobs for candidate in found), strict=True) for job in same_seed]
        todo = [job for job in jobs if not job.finished()]
        if not todo:
            return
        settings = ", ".join(candidate.title for candidate in found)
        self.display.say(f"the full loop: {len(todo)} runs, with the settings of {settings}", fold=True)
        # short, as bars need the width: the line above says which settings these are
        names = {job.key: f"trial {c.number}, seed {job.identity.seed}" for c in found for job in c.jobs}
        # other settings take about as long as the recipe's own
        same = {run.seed: courses[run.key] for run in self.tuning.full_runs(self.raw, self.own) if courses}
        known = {job.key: same[job.identity.seed] for job in todo} if same else {}
        expected = Forecast(known, policy.places, measured=bool(known))
        self.launcher.run(todo, policy, RunProgress(self.display, todo, expected, names=names))

    def _write(
        self, url: str, trials: Trials, judged: Verdict, recipes: Path | None, tracker: TrialTracker
    ) -> tuple[Findings, str | None]:
        """Write the tuned recipe and the report; return what was found, and why MLflow lacks it or None."""
        from alseg_core.material import open_material
        from alseg_core.store import Store
        from bench.tuning import findings, plots, recipe

        settings, gained = judged.candidates[judged.best].settings, findings.summary(judged)
        made = recipe.content(self.tuning, self.dataset, self.raw, settings, gained)
        story = findings.story(self.tuning, self.dataset, trials, judged)
        written = recipe.write(made, story, recipes, self.out)
        test = open_material(self.tuning.full_runs(self.raw, self.own)[0], Store(self.out / "store")).split.test
        found = findings.Findings(self.tuning, self.raw, trials, judged, self.folder, written, shown(url), test)
        results = self.folder / "report"
        results.mkdir(parents=True, exist_ok=True)
        plots.draw(trials, results)
        findings.write_table(found, results / "trials.csv")
        findings.write_text(found, results / "tuning.md")
        return found, tracker.finish(judged, results)

    def _tell(self, found: Findings, untracked: str | None) -> None:
        """Print what was found, where it is, and last the command that goes on from here, if there is one."""
        from bench.study.durations import clock
        from bench.tracking.links import where
        from bench.tuning import findings
        from bench.tuning.comparison import command

        judged, caution = found.verdict, findings.caution(found.trials)
        count = len(judged.candidates) * len(judged.candidates[0].jobs)
        done = f"{len(found.trials.finished())} trials and {count} runs of the full loop"
        self.display.say(f"{done}; this command took {clock(self.display.passed)} in all")
        self.display.say(findings.conclusion(found))
        if caution:
            self.display.say(f"warning: {caution}", fold=True)
        self.display.say(f"recipe: {found.recipe}")
        self.display.say(f"report: {self.folder / 'report' / 'tuning.md'}")
        if untracked:
            self.display.say(f"warning: not tracked in MLflow: {untracked}; the same command sends it later")
        else:
            for line in where(self.out, self.folder.name):
                self.display.say(line)
        if judged.best and not caution:
            self.display.say("compare the two on test volumes:")
            self.display.say(f"    {command(self.tuning, found.recipe, self.out)}")
