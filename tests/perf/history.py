"""Earlier measurements on the same machine, one JSON file per run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ceilings import Ceilings
from measure import Row

PACKAGES = ("torch", "numpy", "scipy", "faiss-cpu", "ray", "monai")


def machine(device: str) -> dict[str, Any]:
    """Return the facts that identify this machine."""
    facts: dict[str, Any] = {"node": platform.node(), "processor": _processor(), "cores": os.cpu_count()}
    if torch.device(device).type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def write(
    folder: Path, rows: Sequence[tuple[str, Row]], ceilings: Ceilings, device: str, threads: int, scale: str
) -> Path:
    """Write the (subject, row) pairs of one run and how they were measured; return the file."""
    now = datetime.now(UTC)
    record = {
        "date": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": machine(device),
        "device": device,
        "threads": threads,
        "scale": scale,
        "versions": {"python": platform.python_version(), **_versions()},
        "ceilings": asdict(ceilings),
        "rows": [{"subject": subject, **asdict(row), "ratio": row.ratio, "share": row.share} for subject, row in rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%S%f}Z.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def earlier(folder: Path, device: str, threads: int, scale: str) -> dict[tuple[str, str, str], float]:
    """Return the latest seconds of every (subject, name, size) measured on this machine with these settings."""
    found: dict[tuple[str, str, str], float] = {}
    for path in sorted(folder.glob("*.json")):  # names are dates: later runs overwrite
        record = json.loads(path.read_text())
        same = record["machine"] == machine(device) and record["device"] == device
        if same and record["threads"] == threads and record["scale"] == scale:
            found |= {(row["subject"], row["name"], row["size"]): row["ours"] for row in record["rows"]}
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), sys.platform)


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _commit() -> str | None:
    """Commit of the working tree, with "+" where files differ from it; None outside git."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
