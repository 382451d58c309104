"""One experiment from a YAML file, without Ray and without MLflow: ``python -m alseg_core run.yaml --out FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from alseg_core.config import RunConfig
from alseg_core.errors import AlsegError, ResultsError
from alseg_core.events import Event, Noticed, RoundFinished, RunStarted
from alseg_core.loop import run
from alseg_core.material import plan
from alseg_core.store import Store


def _print(event: Event) -> None:
    if isinstance(event, RunStarted):
        print(f"{event.pool} training slices, rounds at {list(event.budgets)}, {len(event.finished)} finished")
    elif isinstance(event, RoundFinished):
        record = event.record
        dice = record.summary["dice"]
        print(
            f"round {record.round}: {record.labelled} slices, Dice {'-' if dice is None else f'{dice:.3f}'}, "
            f"cover radius {record.cover_radius:.2f}, {sum(record.seconds.values()):.0f} s",
            flush=True,
        )
    elif isinstance(event, Noticed):
        print(event.text, flush=True)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be made a folder ({error.strerror}); choose another with --out.") from None


def main() -> int:
    """Run the command line; return 0 when the run is finished, 2 after an error."""
    parser = argparse.ArgumentParser(prog="python -m alseg_core", description=__doc__)
    parser.add_argument("config", type=Path, help="YAML file with the fields of alseg_core.config.RunConfig")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for results and prepared data")
    arguments = parser.parse_args()
    try:
        config = RunConfig.read(arguments.config)
        config.resolve_device()
        config.check()
        _check_folder(arguments.out)
        store = Store(arguments.out / "store")
        for text in plan(config, store).warnings:
            print(f"warning: {config.dataset.name}: {text}", flush=True)
        run(config, arguments.out / config.key, store, [_print])
    except AlsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"results: {arguments.out / config.key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
