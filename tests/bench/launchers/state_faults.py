"""Ways in which a run folder, its study or the store is damaged or swapped: what each does to the files."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a fault strikes."""

    run: Path
    """Folder of the run."""
    other: Path
    """Folder of a finished run of the same study with another seed."""
    study: Path
    """Folder of the study."""
    store: Path
    """Folder of the store."""

    @property
    def state(self) -> Path:
        """Models of the last finished round."""
        (path,) = self.run.glob("state_*.pt")
        return path


Fault = Callable[[Place], object]


def flipped(path: Path, at: float = 0.5) -> None:
    """Flip the bits of eight bytes in the middle of a file, or at another share of it."""
    content = bytearray(path.read_bytes())
    start = int(at * (len(content) - 8))
    content[start : start + 8] = bytes(255 - byte for byte in content[start : start + 8])
    path.write_bytes(content)


def cut(path: Path, share: float = 0.5) -> None:
    """Keep the first part of a file."""
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def in_the_way(path: Path) -> None:
    """Put a folder with a file in it where a file belongs."""
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "file").write_text("")


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Fault:
    """Change the lines of rounds.jsonl."""

    def fault(place: Place) -> None:
        path = place.run / "rounds.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return fault


def edited(name: str, change: Callable[[dict[str, Any]], object], line: int = 0) -> Fault:
    """Change the content of a JSON file, or of one line of rounds.jsonl."""

    def fault(place: Place) -> None:
        path = place.run / name
        rows = path.read_text().splitlines() if name.endswith("jsonl") else [path.read_text()]
        content = json.loads(rows[line])
        change(content)
        rows[line] = json.dumps(content)
        path.write_text("".join(row + "\n" for row in rows))

    return fault


def written(name: str, content: bytes) -> Fault:
    """Replace the content of a file of the run."""
    return lambda place: (place.run / name).write_bytes(content)


def of_the_other(*names: str) -> Fault:
    """Replace files by those of the other run."""

    def fault(place: Place) -> None:
        for name in names:
            shutil.copy(place.other / name, place.run / name)

    return fault


def moved(place: Place) -> None:
    """Keep the run folder elsewhere, behind a symbolic link."""
    elsewhere = place.study.parent / "elsewhere"
    place.run.rename(elsewhere)
    place.run.symlink_to(elsewhere)


def replaced(path: Path, by: str = "file") -> None:
    """Put a file, or a symbolic link that leads nowhere, in place of a folder or a file."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.write_text("") if by == "file" else path.symlink_to("nowhere")


def whole_other(place: Place) -> None:
    """Copy the other run under this run's name."""
    shutil.rmtree(place.run)
    shutil.copytree(place.other, place.run)


def in_future(place: Place) -> None:
    """As if the clock had been set back by a year since."""
    for path in (*place.run.iterdir(), place.study / "study.json"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 365 * 86400))


def code_in(path: Path) -> None:
    """Write a pickle that would execute code when it is loaded."""

    class Attack:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(path.parent / "attacked"),))

    path.write_bytes(pickle.dumps(Attack()))


def stored(pattern: str, change: Callable[[Path], object]) -> Fault:
    """Change files of the store."""

    def fault(place: Place) -> None:
        found = list(place.store.glob(pattern))
        assert found
        for path in found:
            change(path)

    return fault


def no_states(place: Place) -> None:
    """Delete all models."""
    place.state.unlink()


def last_line_cut(place: Place) -> None:
    """Cut the last line, whose round left the only models."""
    cut(place.run / "rounds.jsonl", 0.9)


INTERRUPTED: dict[str, Fault] = {
    "bits of the models flipped": lambda p: flipped(p.state),
    "models cut": lambda p: cut(p.state),
    "models empty": lambda p: p.state.write_bytes(b""),
    "models missing": no_states,
    "models are a folder": lambda p: in_the_way(p.state),
    "models are text": lambda p: p.state.write_text("weights"),
    "models hold code": lambda p: code_in(p.state),
    "last line cut": last_line_cut,
    "last line cut, no models": lambda p: (last_line_cut(p), no_states(p)),
    "last line without its end": lines(lambda rows: [*rows[:-1], rows[-1].rstrip(b"\n")]),
    "zeros for the last line, as after a power cut": lines(lambda rows: [*rows[:-1], bytes(len(rows[-1]))]),
    "a byte 0xff in the last line": lines(lambda rows: [*rows[:-1], rows[-1][:40] + b"\xff" + rows[-1][41:]]),
    "a byte 0xff in the first line": lines(lambda rows: [rows[0][:40] + b"\xff" + rows[0][41:], *rows[1:]]),
    "rounds empty": written("rounds.jsonl", b""),
    "rounds missing": lambda p: (p.run / "rounds.jsonl").unlink(),
    "a blank line at the end": lines(lambda rows: [*rows, b"\n"]),
    "Windows line ends": lines(lambda rows: [row.replace(b"\n", b"\r\n") for row in rows]),
    "rounds are a folder": lambda p: in_the_way(p.run / "rounds.jsonl"),
    "rounds are a link that leads nowhere": lambda p: replaced(p.run / "rounds.jsonl", "link"),
    "a line twice": lines(lambda rows: [*rows, rows[-1]]),
    "lines in another order": lines(lambda rows: rows[::-1]),
    "first line missing": lines(lambda rows: rows[1:]),
    "a pick edited": edited("rounds.jsonl", lambda row: row["selected"][0].update(z=row["selected"][0]["z"] ^ 1)),
    "a pick of no scan": edited("rounds.jsonl", lambda row: row["selected"][0].update(case="nobody")),
    "a Dice edited": edited("rounds.jsonl", lambda row: row["summary"].update(dice=0.99), line=1),
    "a line that is no record": lines(lambda rows: [*rows, b'{"round": 2}\n']),
    "a line of 100,000 brackets": lines(lambda rows: [*rows, b"[" * 100_000 + b"\n"]),
    "rounds of another seed": of_the_other("rounds.jsonl"),
    "all files of another seed": whole_other,
    "configuration of another seed": of_the_other("config.json"),
    "configuration cut": lambda p: cut(p.run / "config.json"),
    "a byte 0xff in the configuration": lambda p: (p.run / "config.json").write_bytes(b'{"fingerprint": "\xff"}'),
    "configuration missing": lambda p: (p.run / "config.json").unlink(),
    "configuration is a folder": lambda p: in_the_way(p.run / "config.json"),
    "configuration is a list": written("config.json", b"[]"),
    "zeros for the configuration": written("config.json", bytes(500)),
    "budgets edited": edited("config.json", lambda content: content["config"].update(budgets=[3, 6, 9])),
    "seed edited": edited("config.json", lambda content: content["config"].update(seed=7)),
    "environment cut": lambda p: cut(p.run / "environment.json"),
    "environment missing": lambda p: (p.run / "environment.json").unlink(),
    "environment is a folder": lambda p: in_the_way(p.run / "environment.json"),
    "failure cut": written("failure.json", b'{"reason": "no'),
    "failure is a folder": lambda p: in_the_way(p.run / "failure.json"),
    "lock is a folder": lambda p: in_the_way(p.run / "lock"),
    "run folder is a file": lambda p: replaced(p.run),
    "run folder is a link that leads nowhere": lambda p: replaced(p.run, "link"),
    "run folder is elsewhere, behind a link": moved,
    "half-written files": lambda p: [
        (p.run / name).write_text("{") for name in ("rounds.jsonl.tmp", "config.json.tmp", "state.tmp")
    ],
    "clock set back": in_future,
    "index of the prepared data damaged": stored("prepared/*/index.json", cut),
    "key of an entry of the store damaged": stored("*/*/key.json", cut),
    "key of an entry of the store is a folder": stored("training/*/key.json", in_the_way),
    "settings in an entry of the store damaged": stored("training/*/annotation.json", cut),
    "a shared training damaged": stored("training/*/member.pt", flipped),
}
"""Faults of a run that was stopped after the second of three rounds."""

FINISHED: dict[str, Fault] = {
    "bits of the examples flipped": lambda p: flipped(p.run / "examples.npz"),
    "examples of another seed": of_the_other("examples.npz"),
    "examples are a folder": lambda p: in_the_way(p.run / "examples.npz"),
    "selected slices cut": lambda p: cut(p.run / "selected.npz"),
    "embedding is text": written("embedding.npz", b"text"),
    "bits of the network flipped": lambda p: flipped(p.run / "network.pt"),
    "a Dice of the last round edited": edited("rounds.jsonl", lambda row: row["summary"].update(dice=0.99), line=2),
    "configuration cut after the end": lambda p: cut(p.run / "config.json"),
    "environment cut after the end": lambda p: cut(p.run / "environment.json"),
    "failure after the end": written("failure.json", b"{"),
    "all files of another seed after the end": whole_other,
}
"""Faults of a finished run."""
