"""The run folder: all results of one experiment, small enough to copy around.

``config.json``      the validated configuration and the key of the prepared data
``environment.json`` versions, machine, device, threads, sizes of the data
``rounds.jsonl``     one line per finished round (:class:`alseg_core.vocabulary.RoundRecord`)
``examples.npz``     a slice of each test volume with truth and prediction of the last round
``selected.npz``     slices of the first round with the labels bought for them
``embedding.npz``    the reduced embedding of the last round, if the recipe uses one
``network.pt``       the best network of the last round, if keep_network is set
``state_<round>.pt`` models of the last finished round, while the run is unfinished
``failure.json``     reason of the last failure, deleted when the run continues
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from alseg_core.errors import ResultsError
from alseg_core.metrics.metric import Metric
from alseg_core.provenance import code
from alseg_core.vocabulary import RoundRecord


def write_atomic(path: Path, text: str) -> None:
    """Write a text file atomically: readers see the old or the new content, even after a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """One run on disk. Reading needs only the folder; writing goes through :meth:`session`."""

    path: Path

    @contextmanager
    def session(self, config: Mapping[str, Any], fingerprint: str, data_key: str) -> Iterator[None]:
        """Lock the folder for this process and check that it belongs to this configuration and these data.

        Raises ResultsError when it is not writable, in use, or was made by another configuration or from other data.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(str(self.path / "lock"), timeout=30)
            lock.acquire()
        except Timeout:
            raise ResultsError(
                f"run folder {self.path} is in use by another process; wait for it or stop it."
            ) from None
        except OSError as error:
            raise ResultsError(f"run folder {self.path} cannot be written ({error}); choose another OUT.") from None
        try:
            self.check(fingerprint, data_key)
            if self.identity() is None:
                identity = {"fingerprint": fingerprint, "data_key": data_key}
                write_atomic(self.path / "config.json", json.dumps({**identity, "config": config}, indent=1))
            (self.path / "failure.json").unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def check(self, fingerprint: str, data_key: str) -> None:
        """Raise ResultsError when the folder was made by another configuration or from other data."""
        known, ours = self.identity(), {"fingerprint": fingerprint, "data_key": data_key}
        if known is not None and known != ours:
            same = known["fingerprint"] == fingerprint
            what = "other data (the scans or their preparation changed since)" if same else "another configuration"
            raise ResultsError(
                f"run folder {self.path} was made with {what}: {known}, now {ours}; "
                f"move or delete it to run afresh, or choose another OUT."
            )

    def identity(self) -> dict[str, str] | None:
        """Return the fingerprint and data key of the run, or None for a folder without a run."""
        if not (self.path / "config.json").exists():
            return None
        content = json.loads((self.path / "config.json").read_text())
        return {"fingerprint": content["fingerprint"], "data_key": content["data_key"]}

    def config(self) -> dict[str, Any]:
        """Return the configuration of the run as plain data. Raises ResultsError when the folder has no run."""
        if not (self.path / "config.json").exists():
            raise ResultsError(f"{self.path} is no run folder: config.json is missing.")
        config: dict[str, Any] = json.loads((self.path / "config.json").read_text())["config"]
        return config

    def records(self) -> list[RoundRecord]:
        """Return the finished rounds in order. An incomplete last line is no finished round and is ignored."""
        path = self.path / "rounds.jsonl"
        records: list[RoundRecord] = []
        for number, line in enumerate(path.read_text().split("\n")[:-1] if path.exists() else []):
            try:
                record = RoundRecord(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise ResultsError(
                    f"{path}, line {number + 1} is damaged ({error}); delete the run folder to redo it."
                ) from None
            if record.round != number:
                raise ResultsError(f"{path}, line {number + 1} holds round {record.round}, wanted {number}.")
            records.append(record)
        return records

    def save_environment(
        self, device: str, threads: int, data: Mapping[str, Any], metrics: Iterable[Metric] = ()
    ) -> None:
        """Write versions, machine and sizes of the data; and how to read metrics that are not built in."""
        packages = (
            "torch",
            "numpy",
            "scipy",
            "scikit-learn",
            "scikit-image",
            "nibabel",
            "monai",
            "faiss-cpu",
            "faiss-gpu-cu12",
        )
        installed = {}
        for package in packages:
            with suppress(metadata.PackageNotFoundError):
                installed[package] = metadata.version(package)
        gpu = torch.cuda.get_device_name() if device.startswith("cuda") else None
        facts: dict[str, Any] = {
            **code(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": installed,
            "device": device,
            "gpu": gpu,
            "threads": threads,
            "data": dict(data),
        }
        if further := [dataclasses.asdict(metric) for metric in metrics]:
            facts["metrics"] = further
        write_atomic(self.path / "environment.json", json.dumps(facts, indent=1))

    def save_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write ``<name>.npz``."""
        temporary = self.path / f"{name}.tmp.npz"
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
        os.replace(temporary, self.path / f"{name}.npz")

    def append(self, record: RoundRecord) -> None:
        """Append a finished round. Its line counts once its newline is on disk."""
        path = self.path / "rounds.jsonl"
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        line = json.dumps(dataclasses.asdict(record), separators=(",", ":"), allow_nan=False) + "\n"
        write_atomic(path, whole.decode() + line)

    def save_state(self, number: int, state: Mapping[str, Any]) -> None:
        """Save the models of round ``number``, to continue from; call it before :meth:`append`."""
        temporary = self.path / "state.tmp"
        torch.save(dict(state), temporary)
        os.replace(temporary, self.path / f"state_{number}.pt")

    def load_state(self, number: int) -> dict[str, Any]:
        """Load the models of round ``number`` to the CPU. Raises ResultsError when their file is missing."""
        path = self.path / f"state_{number}.pt"
        if not path.exists():
            raise ResultsError(f"{path} is missing, so the run cannot continue; delete the run folder to redo it.")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state

    def drop_states(self, keep: int | None = None) -> None:
        """Delete the models of all rounds but ``keep``."""
        for path in self.path.glob("state_*.pt"):
            if path.name != f"state_{keep}.pt":
                path.unlink()

    def fail(self, reason: str, trace: str) -> None:
        """Record a failure for the report."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / "failure.json", json.dumps({"reason": reason, "trace": trace}, indent=1))

    def failure(self) -> str | None:
        """Return the reason of the failure that ended the run, or None."""
        path = self.path / "failure.json"
        return str(json.loads(path.read_text())["reason"]) if path.exists() else None
