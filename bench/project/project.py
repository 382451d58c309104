"""A project: the folder of annotation rounds on one set of scans, and the run that chooses their slices.

``project.yaml``   what was decided at the start: scans, classes, recipe, kind of annotation, all settings of the run
``dataset.yaml``   how the scans are read and prepared, as in the benchmark
``starting``       there only until all the other files are, or where a start was killed at its very last step
``labels/``        every slice that annotators gave, with its history (:mod:`alseg_core.oracles.returned`)
``returns/``       the files that they came in, unchanged
``round_NN/``      what a round asks for (:mod:`bench.project.exchange`)
``asked/``         a copy of the manifest of each round, which tells whether somebody has changed it
``run/``           run folder of the loop
``store/``         prepared scans and encoders; it can be deleted at any time
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from filelock import FileLock, Timeout
from pydantic import Field

from alseg_core.errors import ConfigError, ResultsError
from alseg_core.registry import Name, component, construct
from alseg_core.yaml_reader import read_yaml
from bench.study.typeable import quoted

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.oracles.returned import Returned
    from alseg_core.results import RunFolder
    from alseg_core.store import Store

FILE = "project.yaml"
FORMAT = 1
"""Version of the file."""
STARTING = "starting"
"""File that is there until the project is whole."""
LOCK = "lock"
"""File that a command locks while it works in the project."""
Kind = Literal["mask", "scribble"]


@component
class Decided:
    """Content of ``project.yaml``."""

    format: Literal[1] = 1
    """Version of the file."""
    name: Name
    """Name of the project."""
    kind: Kind
    """mask: every pixel of an asked slice gets its class; scribble: a few strokes per class."""
    batch: Annotated[int, Field(ge=1, le=100_000)]
    """Slices of a round; each round may have a number of its own."""
    planned: Annotated[int, Field(ge=1, le=1000)] = 10
    """Rounds that are planned; a few strategies change their ways over them."""
    minutes: Annotated[float, Field(gt=0, le=1440)]
    """Estimated time to annotate one slice, until there are enough measured ones."""
    enough: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """A further round is not worth its work if it brings less Dice than this."""
    begun: bool = False
    """Whether labels were there before the first round; they count as round 0."""
    run: dict[str, Any]
    """The settings of the run, all of them, as for alseg run."""


@dataclasses.dataclass(frozen=True)
class Project:
    """A project on disk."""

    folder: Path
    decided: Decided

    @classmethod
    def open(cls, folder: Path) -> Project:
        """Open a project. Raises ConfigError: no project, or a file with wrong fields."""
        path = folder / FILE
        if not path.is_file() and (folder / STARTING).exists():
            raise ConfigError(f"{folder}: the start of this project was cut off; give alseg project new once more.")
        if not path.is_file():
            near = (
                sorted(str(found.parent) for found in folder.parent.glob(f"*/{FILE}")) if folder.parent.is_dir() else []
            )
            there = f" There {'is' if len(near) == 1 else 'are'} {', '.join(near[:5])}." if near else ""
            raise ConfigError(
                f"{folder} is no project: {path} does not exist.{there} Start one with alseg project new "
                f"{quoted(folder)} --images FOLDER --classes background,NAME"
            )
        return cls(folder, construct(Decided, read_yaml(path), str(path)))

    @property
    def name(self) -> str:
        """Name of the project."""
        return self.decided.name

    @property
    def typed(self) -> str:
        """Its folder as it is typed in a command."""
        return quoted(self.folder)

    @property
    def results(self) -> RunFolder:
        """Run folder of the loop."""
        from alseg_core.results import RunFolder

        return RunFolder(self.folder / "run")

    @property
    def returned(self) -> Returned:
        """Labels that annotators gave."""
        from alseg_core.oracles.returned import Returned

        return Returned(self.folder / "labels")

    @cached_property
    def store(self) -> Store:
        """Store of prepared scans and encoders."""
        from alseg_core.store import Store

        return Store(self.folder / "store")

    def config(self, budgets: Sequence[int]) -> RunConfig:
        """Return the configuration of the run with cumulative budgets. Raises ConfigError for wrong fields."""
        from alseg_core.config import RunConfig

        raw: Mapping[str, Any] = self.decided.run
        dataset = {**raw["dataset"], "returned": str((self.folder / "labels").absolute())}
        if dataset.get("root") is not None:
            dataset["root"] = str((self.folder / dataset["root"]).resolve())
        return RunConfig.load({**raw, "dataset": dataset, "budgets": list(budgets)})

    def round_folder(self, number: int) -> Path:
        """Return the folder of round ``number``, from 0; labels that were there before the first round have none."""
        return self.folder / f"round_{self.shown(number):02}"

    def shown(self, number: int) -> int:
        """Return the number of a round as people count: from 1, without that of labels that were there before."""
        return number + 1 - int(self.decided.begun)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other commands out of the project, as :func:`locked` does."""
        return locked(self.folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other commands out of a project in the block. Raises ResultsError: one is at work; not writable."""
    try:
        lock = FileLock(str(folder / LOCK), timeout=1.0)
        lock.acquire()
    except Timeout:
        raise ResultsError(f"another command is at work in {folder}; wait for it, or stop it.") from None
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written ({error.strerror}).") from None
    try:
        yield
    except OSError as error:
        raise unusable(error, folder) from None
    finally:
        lock.release()


def unusable(error: OSError, folder: Path) -> ResultsError:
    """Return the error to raise where a file cannot be read or written, such as on a full disk."""
    return ResultsError(f"{error.filename or folder} cannot be read or written ({error.strerror or error}).")
