"""Ray on this machine as its own user sees it (``python -m``), and as another user does (``python -m ... guest``)."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

NOBODY = 65534


def processes(folder: str) -> Iterator[Path]:
    """This process, and Ray's processes that have to do with the folder."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes() if entry.name.isdigit() else b""
            if entry.name == str(os.getpid()) or folder.encode() in told:
                yield entry


def listening(process: Path) -> Iterator[str]:
    """Addresses on which a process listens, as the kernel writes them."""
    sockets = set()
    for link in (process / "fd").iterdir():
        with suppress(OSError):
            sockets.add(os.readlink(link))
    for table in ("tcp", "tcp6"):
        for line in (process / "net" / table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                yield words[1].rpartition(":")[0]


def own() -> dict[str, object]:
    """Facts about a running Ray, and what guests told who guess its token, know nothing of tokens, or have it."""
    from bench.launchers.ray_cluster import Cluster

    with Cluster(1) as cluster:
        cluster.wait()
        import ray

        assert cluster.folder is not None
        address, token = ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"]
        ours = list(processes(str(cluster.folder)))
        commands = b""
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                commands += (entry / "cmdline").read_bytes()
        files = [path for folder in (cluster.folder, Path.home()) for path in folder.rglob("*") if path.is_file()]
        told: dict[str, object] = {
            "processes": len(ours),
            "listening": sorted({at for process in ours for at in listening(process)}),
            "mode": stat.filemode(cluster.folder.stat().st_mode),
            "token in commands": token.encode() in commands,
            "token in files": [str(path) for path in files if token.encode() in path.read_bytes()],
        }
        if os.getuid() == 0:
            guest = [sys.executable, "-m", "tests.bench.launchers.own_ray", "guest", address, str(cluster.folder)]
            guest += [process.name for process in ours]
            clean = {name: value for name, value in os.environ.items() if name not in ("RAY_AUTH_MODE", "ALSEG_READY")}
            guesses = {
                "guesses": ("token", "0" * len(token)),
                "knows nothing": ("disabled", ""),
                "has it": ("token", token),
            }
            guests = {
                name: subprocess.Popen(
                    guest,
                    env={**clean, "RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": guess},
                    text=True,
                    stdout=subprocess.PIPE,
                )
                for name, (mode, guess) in guesses.items()
            }
            told |= {name: json.loads(process.communicate(timeout=100)[0]) for name, process in guests.items()}
    return {**told, "left": [cluster.folder.exists(), "RAY_AUTH_TOKEN" in os.environ]}


def guest(address: str, folder: str, *processes: str) -> dict[str, object]:
    """What another user may do."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # this user may not read all of Python's folders later

    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)

    def outcome(act: Callable[[], object]) -> str:
        try:
            return str(act())
        except Exception as error:
            return type(error).__name__

    return {
        "Ray": outcome(lambda: bool(GcsClient(address).internal_kv_keys(b"", b"session"))),
        "folder": outcome(lambda: os.listdir(folder)),
        "environments": {outcome(Path(f"/proc/{process}/environ").read_bytes) for process in processes},
    }


if __name__ == "__main__":
    print(json.dumps(guest(*sys.argv[2:]) if sys.argv[1:2] == ["guest"] else own(), default=sorted))
