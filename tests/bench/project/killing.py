"""The command ``alseg`` in a process that kills itself with SIGKILL at any change of the files of a project.

Run as a script it imports everything once and then runs each command that it is given in a fork of itself, so that a
kill costs no start of Python.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES = {
    "os.mkdir": (0, 2),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.rename": (1, 3),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.truncate": (0, None),
    "os.utime": (0, 3),
    "os.chmod": (0, 2),
}
"""Audit event -> which of its arguments are the path that changes, and the folder that it is relative to.

Opening a file to write is one as well. Functions such as those of shutil consist of these.
"""


class Points:
    """Audit hook that counts the changes below a folder, and kills the process at one of them.

    An event comes before its change. Between opening a file and the next event its content is written: there are two
    points there, one with the first half of the content and one with all of it.
    """

    def __init__(self, root: Path, at: int | None) -> None:
        self.root, self.at, self.count, self.opened = str(root), at, 0, ""

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        path = self._changed(event, args)
        if path is None or not (path == self.root or path.startswith(self.root + os.sep)):
            return
        if self.opened:
            self._point(torn=self.opened)
        self._point()
        self.opened = path if event == "open" else ""

    def _changed(self, event: str, args: tuple[Any, ...]) -> str | None:
        if event == "open":
            path, _, flags = args
            if isinstance(path, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                return None
            return os.path.abspath(os.fsdecode(path))
        if event not in CHANGES:
            return None
        place, relative = CHANGES[event]
        if isinstance(args[place], int):
            return os.readlink(f"/proc/self/fd/{args[place]}")
        folder = -1 if relative is None else args[relative]
        start = os.readlink(f"/proc/self/fd/{folder}") if folder not in (-1, None) else ""
        return os.path.abspath(os.path.join(start, os.fsdecode(args[place])))

    def _point(self, torn: str = "") -> None:
        self.count += 1
        if self.count == self.at:
            if torn and os.path.isfile(torn):
                os.truncate(torn, os.path.getsize(torn) // 2)
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    killed: bool
    code: int
    points: int
    """Changes that it made, each a point to kill at; 0 if it was killed."""
    output: str


class Commands:
    """Runs ``alseg project`` commands, each in a process of its own."""

    def __init__(self, root: Path) -> None:
        """Start the process that is forked. root: folder whose changes count."""
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
            env={**os.environ, **one, "COLUMNS": "300"},
        )

    def __call__(self, *words: str | Path, at: int | None = None) -> Done:
        """Run ``alseg project`` with these words; kill it at its ``at``-th change, counted from 1."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(map(str, words)), at]) + "\n")
        self._process.stdin.flush()
        return Done(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _run(words: list[str], at: int | None, root: Path, output: int, told: int) -> None:
    """Run a command in this process, and end it."""
    from bench.cli import main

    os.dup2(output, 1)
    os.dup2(output, 2)
    points = Points(root, at)
    sys.addaudithook(points)
    code = 0
    try:
        main(["project", *words], prog_name="alseg")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(told, str(points.count).encode())
    os._exit(code)


def _serve(root: Path) -> None:
    import matplotlib.pyplot
    import SimpleITK  # noqa: F401
    import torch

    import alseg_core
    import bench

    assert matplotlib.pyplot is not None
    for package in (alseg_core, bench):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] != "__main__" and "ray" not in module.name:
                importlib.import_module(module.name)
    torch.set_num_threads(1)
    for line in sys.stdin:
        words, at = json.loads(line)
        with tempfile.TemporaryFile() as output:
            ours, told = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(ours)
                _run(words, at, root, output.fileno(), told)
            os.close(told)
            count = os.read(ours, 32)
            os.close(ours)
            _, status = os.waitpid(child, 0)
            output.seek(0)
            done = Done(
                killed=os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
                code=os.waitstatus_to_exitcode(status),
                points=int(count or b"0"),
                output=output.read().decode(errors="replace"),
            )
        print(json.dumps(vars(done)), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
