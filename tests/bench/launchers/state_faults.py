"""Ways in which a run folder or the store is damaged or swapped: what each does to the files, and what it gives."""

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


@dataclass(frozen=True)
class Case:
    """A fault and what it gives, as regular expressions."""

    fault: Fault
    """What happens to the files."""
    notice: str | None = None
    """What the run tells when it has mended the damage and ends with the results of an undamaged one; None: nothing."""
    reason: str | None = None
    """Why the run fails; None: it does not."""
    problem: str | None = None
    """What a report of the damaged folder tells; None: nothing."""
    left_out: bool = False
    """Whether reports leave the finished run out until the user has mended it."""


def refused(fault: Fault, reason: str) -> Case:
    """A fault that a run and a report refuse for the same reason."""
    return Case(fault, reason=reason, problem=reason)


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


def unchecked(change: Callable[[dict[str, Any]], object]) -> Fault:
    """Change the first line of rounds.jsonl, and take the checksums out of all."""

    def fault(place: Place) -> None:
        rows = [json.loads(row) for row in (place.run / "rounds.jsonl").read_text().splitlines()]
        change(rows[0])
        bare = [{key: value for key, value in row.items() if key != "check"} for row in rows]
        (place.run / "rounds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))

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


AGAIN = "the networks of round {} are trained again from its labels"
CHANGED = "is damaged or was changed since the run wrote it"
REWRITTEN = f"config.json {CHANGED} .*; it was written again"
REPORTED = f"config.json {CHANGED} .*; the command that made the study writes it again"
OTHER_RUN = (
    "was made with another configuration: rounds.jsonl, with seed 1, is of run [0-9a-f]+ on data .*move or delete"
)
TO_DO = "put back a copy of the file, (keep only its first {} lines? to redo the rounds after them, )?or delete the run"
IN_THE_WAY = "is a folder, where a file belongs; move it away"
NO_FILE = "is not a regular file"

INTERRUPTED: dict[str, Case] = {
    "bits of the models flipped": Case(
        lambda p: flipped(p.state), rf"state_1.pt {CHANGED} \(its checksum differs\); {AGAIN.format(2)}"
    ),
    "models cut": Case(lambda p: cut(p.state), rf"{CHANGED} \(\d+ bytes instead of \d+\); {AGAIN.format(2)}"),
    "models empty": Case(lambda p: p.state.write_bytes(b""), rf"\(0 bytes instead of \d+\); {AGAIN.format(2)}"),
    "models missing": Case(no_states, f"state_1.pt is missing; {AGAIN.format(2)}"),
    "models are text": Case(lambda p: p.state.write_text("weights"), AGAIN.format(2)),
    "models hold code": Case(lambda p: code_in(p.state), AGAIN.format(2)),
    "models are a folder": Case(lambda p: in_the_way(p.state), reason=f"state_1.pt {IN_THE_WAY}"),
    "last line cut": Case(last_line_cut, f"state_0.pt is missing; {AGAIN.format(1)}"),
    "last line cut, no models": Case(lambda p: (last_line_cut(p), no_states(p)), AGAIN.format(1)),
    "last line without its end": Case(lines(lambda rows: [*rows[:-1], rows[-1].rstrip(b"\n")])),
    "zeros for the last line, as after a power cut": Case(
        lines(lambda rows: [*rows[:-1], bytes(len(rows[-1]))]), AGAIN.format(1)
    ),
    "last line cut, with a line end": Case(lines(lambda rows: [*rows[:-1], rows[-1][:99] + b"\n"]), AGAIN.format(1)),
    "zeros and a line end for the last line": Case(
        lines(lambda rows: [*rows[:-1], bytes(len(rows[-1])) + b"\n"]), AGAIN.format(1)
    ),
    "a byte 0xff in the last line": refused(
        lines(lambda rows: [*rows[:-1], rows[-1][:40] + b"\xff" + rows[-1][41:]]),
        f"rounds.jsonl, line 2 is damaged .*0xff.*{TO_DO.format(1)}",
    ),
    "a byte 0xff in the first line": refused(
        lines(lambda rows: [rows[0][:40] + b"\xff" + rows[0][41:], *rows[1:]]),
        f"rounds.jsonl, line 1 is damaged .*0xff.*{TO_DO.format(0)}",
    ),
    "rounds empty": Case(written("rounds.jsonl", b""), "models of round 2 but 0 finished rounds.*done again"),
    "models of a round that the run does not have": Case(
        lambda p: shutil.copy(p.state, p.state.with_name("state_99.pt"))
    ),
    "models of the round after the next": Case(
        lambda p: (cut(p.run / "rounds.jsonl", 0.2), shutil.copy(p.state, p.state.with_name("state_2.pt"))),
        "there are models of round 3 but 0 finished rounds: rounds that rounds.jsonl has lost are done again",
    ),
    "rounds missing": Case(lambda p: (p.run / "rounds.jsonl").unlink(), "models of round 2 but 0 finished rounds"),
    "a blank line at the end": Case(lines(lambda rows: [*rows, b"\n"])),
    "Windows line ends": Case(lines(lambda rows: [row.replace(b"\n", b"\r\n") for row in rows])),
    "rounds are a folder": Case(
        lambda p: in_the_way(p.run / "rounds.jsonl"),
        reason=f"rounds.jsonl {IN_THE_WAY}",
        problem=f"rounds.jsonl {IN_THE_WAY}",
    ),
    "rounds are a link that leads nowhere": refused(
        lambda p: replaced(p.run / "rounds.jsonl", "link"), "rounds.jsonl is a link that leads nowhere; put its target"
    ),
    "a line twice": refused(
        lines(lambda rows: [*rows, rows[-1]]), rf"line 3 is damaged \(it holds round 1, wanted 2\); {TO_DO.format(2)}"
    ),
    "lines in another order": refused(lines(lambda rows: rows[::-1]), r"line 1 .*\(it holds round 1, wanted 0\)"),
    "first line missing": refused(lines(lambda rows: rows[1:]), r"line 1 .*\(it holds round 1, wanted 0\)"),
    "a pick edited": refused(
        edited("rounds.jsonl", lambda row: row["selected"][0].update(z=row["selected"][0]["z"] ^ 1)),
        "line 1 .*its checksum does not fit: the line was changed after it was written",
    ),
    "a pick edited, without checksums": refused(
        unchecked(lambda row: row["selected"][0].update(z=row["selected"][0]["z"] ^ 1)),
        "line 1 .*its checksum is missing: the line was changed after it was written",
    ),
    "a pick of no scan": refused(
        edited("rounds.jsonl", lambda row: row["selected"][0].update(case="nobody")), "line 1 .*its checksum does not"
    ),
    "a Dice edited": refused(
        edited("rounds.jsonl", lambda row: row["summary"].update(dice=0.99), line=1), "line 2 .*its checksum does not"
    ),
    "a line that is no record": refused(
        lines(lambda rows: [*rows, b'{"round": 2}\n']), rf"line 3 .*it is no record of a round\); {TO_DO.format(2)}"
    ),
    "a line of 100,000 brackets": refused(lines(lambda rows: [*rows, b"[" * 100_000 + b"\n"]), "line 3 .*recursion"),
    "rounds of another seed": Case(
        of_the_other("rounds.jsonl"),
        reason=OTHER_RUN,
        problem="config.json and rounds.jsonl, with seed 1, are of different runs",
    ),
    "all files of another seed": Case(
        whole_other, reason=OTHER_RUN, problem="it holds another run, with seed 1 instead of 0; delete the folder"
    ),
    "configuration of another seed": Case(
        of_the_other("config.json"), REWRITTEN, problem="config.json and rounds.jsonl, with seed 0, are of different"
    ),
    "configuration cut": Case(lambda p: cut(p.run / "config.json"), REWRITTEN, problem="config.json is not JSON"),
    "a byte 0xff in the configuration": Case(
        written("config.json", b'{"fingerprint": "\xff"}'), REWRITTEN, problem="config.json is not JSON.*0xff"
    ),
    "configuration missing": Case(
        lambda p: (p.run / "config.json").unlink(), "config.json is missing; it was written", problem="config.json is m"
    ),
    "configuration is a folder": Case(
        lambda p: in_the_way(p.run / "config.json"),
        reason=f"config.json {IN_THE_WAY}",
        problem=f"config.json {NO_FILE}",
    ),
    "configuration is a list": Case(written("config.json", b"[]"), REWRITTEN, problem="config.json holds no mapping"),
    "zeros for the configuration": Case(written("config.json", bytes(500)), REWRITTEN, problem="config.json is not JS"),
    "budgets edited": Case(
        edited("config.json", lambda content: content["config"].update(budgets=[3, 6, 9])), REWRITTEN, problem=REPORTED
    ),
    "seed edited": Case(
        edited("config.json", lambda content: content["config"].update(seed=7)), REWRITTEN, problem=REPORTED
    ),
    "environment cut": Case(
        lambda p: cut(p.run / "environment.json"),
        f"environment.json {CHANGED} .*; it was written again, as of this machine",
        problem="environment.json is not JSON.*Its versions, machine and sizes are not in this report",
    ),
    "environment missing": Case(
        lambda p: (p.run / "environment.json").unlink(),
        "environment.json is missing; it was written again",
        problem="environment.json is missing. Its versions, machine and sizes are not in this report",
    ),
    "environment edited": Case(
        edited("environment.json", lambda content: content.update(threads=77, packages={"torch": "9.9"})),
        f"environment.json {CHANGED} .*; it was written again",
        problem=f"environment.json {CHANGED} .*Its versions, machine and sizes are not in this report",
    ),
    "environment is a folder": Case(
        lambda p: in_the_way(p.run / "environment.json"),
        reason=f"environment.json {IN_THE_WAY}",
        problem=f"environment.json {NO_FILE}. Its versions, machine and sizes are not in this report",
    ),
    "failure cut": Case(written("failure.json", b'{"reason": "no')),
    "failure is a folder": Case(lambda p: in_the_way(p.run / "failure.json"), reason=f"failure.json {IN_THE_WAY}"),
    "lock is a folder": Case(lambda p: in_the_way(p.run / "lock"), reason=f"lock {IN_THE_WAY}"),
    "run folder is a file": Case(
        lambda p: replaced(p.run), reason="is no folder, so no run can be kept there", problem="Not a directory"
    ),
    "run folder is a link that leads nowhere": Case(
        lambda p: replaced(p.run, "link"), reason="is no folder, so no run can be kept there; move it away"
    ),
    "run folder is elsewhere, behind a link": Case(moved, problem="is a link to .*Name that folder to have it"),
    "half-written files": Case(
        lambda p: [(p.run / name).write_text("{") for name in ("rounds.jsonl.tmp", "config.json.tmp", "state_2.pt.tmp")]
    ),
    "clock set back": Case(in_future),
    "index of the prepared data damaged": Case(stored("prepared/*/index.json", cut)),
    "key of an entry of the store damaged": Case(stored("*/*/key.json", cut)),
    "key of an entry of the store is a folder": Case(stored("training/*/key.json", in_the_way)),
    "settings in an entry of the store damaged": Case(stored("training/*/annotation.json", cut)),
    "a shared training damaged": Case(stored("training/*/member.pt", flipped)),
}
"""Faults of a run that was stopped after the second of three rounds."""

FINISHED: dict[str, Case] = {
    "bits of the examples flipped": Case(
        lambda p: flipped(p.run / "examples.npz"),
        problem=rf"examples.npz {CHANGED} \(its checksum .*put back a copy",
    ),
    "selected slices of another seed": Case(of_the_other("selected.npz"), problem=f"selected.npz {CHANGED}"),
    "examples are a folder": Case(lambda p: in_the_way(p.run / "examples.npz"), problem="examples.npz is no file"),
    "selected slices cut": Case(lambda p: cut(p.run / "selected.npz"), problem="selected.npz .*bytes instead of"),
    "embedding is text": Case(written("embedding.npz", b"text"), problem="embedding.npz .*4 bytes instead of"),
    "bits of the network flipped": Case(
        lambda p: flipped(p.run / "network.pt"), problem=rf"run .*: network.pt {CHANGED} \(its checksum differs\)"
    ),
    "network missing": Case(lambda p: (p.run / "network.pt").unlink(), problem="run .*: network.pt is missing"),
    "a Dice of the last round edited": refused(
        edited("rounds.jsonl", lambda row: row["summary"].update(dice=0.99), line=2), "line 3 .*its checksum does not"
    ),
    "configuration cut after the end": Case(
        lambda p: cut(p.run / "config.json"), REWRITTEN, problem="config.json is not JSON"
    ),
    "environment cut after the end": Case(
        lambda p: cut(p.run / "environment.json"), problem="Its versions, machine and sizes are not in this report"
    ),
    "environment edited after the end": Case(
        edited("environment.json", lambda content: content["data"].update(warnings=[])),
        problem=f"run .*: environment.json {CHANGED} .*Its versions, machine and sizes are not in this report",
    ),
    "environment missing after the end": Case(
        lambda p: (p.run / "environment.json").unlink(), problem="run .*: environment.json is missing"
    ),
    "failure after the end": Case(written("failure.json", b"{")),
    "all files of another seed after the end": Case(
        whole_other, reason=OTHER_RUN, problem="it holds another run, with seed 1 instead of 0"
    ),
}
"""Faults of a finished run."""
