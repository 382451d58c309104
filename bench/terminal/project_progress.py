"""Progress of a project's rounds: their trainings and cross-validations as bars with the time left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from alseg_core import events
from alseg_core.vocabulary import RoundRecord
from bench.planning.forecast import Course, Round
from bench.terminal.pace import Pace
from bench.terminal.progress import Display

CHOOSING = {"embed": "embedding the slices", "select": "choosing slices"}
"""Phase of the loop before the labels of a round -> what is shown."""


class ProjectProgress:
    """Shows on a display how far the rounds of a project are: a listener of the loop, and of cross-validations."""

    def __init__(
        self, display: Display, shown: Callable[[int], int], finished: Sequence[RoundRecord], first: str
    ) -> None:
        """
        Args:
            display: where to show them.
            shown: returns the number of a round as people count, from its number from 0.
            finished: rounds that were trained before; the last one tells how long the next one takes.
            first: what happens before the first event, such as "checking the scans".
        """
        self.display = display
        self._shown = shown
        self._measured = bool(finished)
        self._course = _course_after(finished[-1]) if finished else Course.even(1)
        self._seconds: Mapping[int, float] = {}
        self._training: int | None = None
        self._choosing = ""
        self._end_stage = display.begin_stage(first, log=False)

    def __call__(self, event: events.Event) -> None:
        """Show an event of the loop."""
        if isinstance(event, events.Progress):
            phase = event.phase.partition(" ")[0]
            if phase in CHOOSING:
                self._choose(event.round, CHOOSING[phase])
            else:
                self._train(event)
        elif isinstance(event, events.RoundFinished):
            dice = event.record.summary.get("dice")
            score = "" if dice is None else f", Dice {dice:.3f}"
            self._begin_training(event.record.round)
            self.display.end(str(event.record.round), f"trained on {event.record.labelled} slices{score}")
        elif isinstance(event, events.Noticed):
            self.display.say(event.text)

    def _choose(self, number: int, what: str) -> None:
        stage = f"round {self._shown(number)}: {what}"
        if stage != self._choosing:
            self._end_stage()
            self._choosing, self._end_stage = stage, self.display.begin_stage(stage)

    def _train(self, event: events.Progress) -> None:
        self._begin_training(event.round)
        done = self._course.elapsed(0, event.phase, event.round_fraction)
        self.display.move(str(event.round), done, event.phase)

    def _begin_training(self, number: int) -> None:
        if self._training != number:
            self._training = number
            self._begin("trainings", {number: self._course.seconds}, self._measured)

    def begin(self, seconds: Mapping[int, float]) -> None:
        """Show that rounds will be cross-validated: number of each -> expected duration in seconds."""
        self._seconds = seconds
        self._begin("cross-validations", seconds, measured=True)

    def move(self, number: int, share: float) -> None:
        """Show that a share, 0..1, of a round's cross-validation is done."""
        self.display.move(str(number), share * self._seconds[number], "train")

    def end(self, number: int, outcome: str, failed: bool) -> None:
        """Show that a round is cross-validated, or cannot be."""
        self.display.end(str(number), f"cross-validation: {outcome}", failed)

    def predicted(self, done: int, total: int, case: str) -> None:
        """Show that ``done`` of ``total`` scans, the last of them ``case``, are predicted."""
        del case
        self._end_stage()
        self.display.counting("predicting", "scans", done, total)

    def _begin(self, kind: str, seconds: Mapping[int, float], measured: bool) -> None:
        self._end_stage()
        labels = {str(number): f"round {self._shown(number)}" for number in seconds}
        self.display.begin(kind, labels, Pace({str(number): s for number, s in seconds.items()}, {}, 1, measured))


def _course_after(record: RoundRecord) -> Course:
    """Return the course of a training as long as that of a round before."""
    seconds = record.seconds
    return Course((Round(train=seconds["train"], evaluate=seconds["evaluate"] + seconds["cover"]),), (1,))
