"""Ray on this machine: who gets at it, and what it needs to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ALONE = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "ALSEG_READY"))}
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
"""127.0.0.1 as the kernel writes it, in IPv4 and in IPv6."""


def test_no_other_user_and_no_other_machine_gets_at_ray(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.bench.launchers.own_ray"]
    environment = {**ALONE, "HOME": str(tmp_path)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["processes"] >= 5  # this one, GCS, raylet, log monitor, worker
    assert set(told["listening"]) <= LOOPBACK and told["listening"]
    assert told["mode"] == "drwx------"
    assert not told["token in commands"] and told["token in files"] == [] and told["left"] == [False, False]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]  # Ray would keep a token there for good
    if os.getuid() == 0:
        guests = {name: told[name] for name in ("guesses", "knows nothing", "has it")}
        assert {name: guest.pop("Ray") for name, guest in guests.items()} == {
            "guesses": "AuthenticationError",
            "knows nothing": "AuthenticationError",
            "has it": "True",
        }
        for guest in guests.values():
            assert guest == {"folder": "PermissionError", "environments": ["PermissionError"]}
