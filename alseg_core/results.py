"""The run folder: all results of one experiment, small enough to copy around.

``config.json``      the validated configuration and the key of the prepared data
``environment.json`` versions, machine, device, threads, sizes of the data, as of the first round
``rounds.jsonl``     one line per finished round (:class:`alseg_core.vocabulary.RoundRecord`): whose it is, what made
                     it, checksums of the other files and of the lines (:mod:`alseg_core.rounds`)
``examples.npz``     a slice of each scored volume with truth and prediction of the last round
``selected.npz``     slices of the first round with the labels bought for them
``embedding.npz``    the reduced embedding of the last round, if the recipe uses one
``network.pt``       the best network of the last round, if keep_network is set
``state_<round>.pt`` models of the last finished round, while the run is unfinished
``failure.json``     reason of the last failure, deleted when the run continues
``machine.csv``      samples of CPU, GPU and memory in use, which no line seals (:mod:`alseg_core.device.usage`)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import BaseFileLock, FileLock, Timeout

from alseg_core.atomic import check_no_folder, replacing, write_atomic
from alseg_core.errors import ResultsError
from alseg_core.intact import fault_of, mapping_of, seal
from alseg_core.metrics.metric import Metric
from alseg_core.provenance import surroundings
from alseg_core.rounds import Rounds
from alseg_core.vocabulary import RoundRecord

FILES = ("config.json", "environment.json", "examples.npz", "selected.npz", "embedding.npz", "network.pt")
"""Files of a finished run that the lines of rounds.jsonl seal."""
LOCK_WAIT_S = 30.0
"""How long a process waits for another one to leave a run folder, in seconds."""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """One run on disk. Reading needs only the folder; writing goes through :meth:`session`."""

    path: Path

    @contextmanager
    def session(self, config: Mapping[str, Any], fingerprint: str, data_key: str) -> Iterator[list[str]]:
        """Lock the folder for this process and check that it belongs to this configuration and these data.

        Yields what was damaged and has been written again, a line each. Raises ResultsError when the folder is not
        writable, in use, damaged, or was made by another configuration or from other data.
        """
        lock = self._locked()
        try:
            fault = self.check(self.records(), fingerprint, data_key)
            if fault or self.identity() is None:
                identity = {"fingerprint": fingerprint, "data_key": data_key}
                write_atomic(self.path / "config.json", json.dumps({**identity, "config": config}, indent=1))
            check_no_folder(self.path / "failure.json")
            (self.path / "failure.json").unlink(missing_ok=True)
            yield [f"{fault}; it was written again"] if fault else []
        finally:
            lock.release()

    def _locked(self) -> BaseFileLock:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(str(self.path / "lock"), timeout=LOCK_WAIT_S)
            lock.acquire()
        except Timeout:
            raise ResultsError(
                f"run folder {self.path} is in use by another process; wait for it or stop it."
            ) from None
        except IsADirectoryError:
            raise ResultsError(f"{self.path / 'lock'} is a folder, where a file belongs; move it away.") from None
        except (FileExistsError, NotADirectoryError):
            raise ResultsError(f"{self.path} is no folder, so no run can be kept there; move it away.") from None
        except OSError as error:
            raise ResultsError(f"run folder {self.path} cannot be written ({error}); choose another OUT.") from None
        return lock

    def check(
        self, records: Sequence[RoundRecord], fingerprint: str | None = None, data_key: str | None = None
    ) -> str | None:
        """Return what is wrong with config.json if the rounds prove that the run may write it again; None if nothing.

        records: :meth:`records`. fingerprint, data_key: those that the run should have; None = the same in config.json
        as in rounds.jsonl. Raises ResultsError when the folder was made by another configuration or from other data, or
        when config.json is damaged and the rounds do not tell whose they are.
        """
        made = None
        if records and records[-1].fingerprint is not None:
            made = {"fingerprint": records[-1].fingerprint, "data_key": str(records[-1].data_key)}
            self._compare(f"rounds.jsonl, with seed {records[-1].seed},", made, fingerprint, data_key)
        fault = self.fault("config.json", records)
        if fault is not None and records and made is None:
            raise ResultsError(f"run folder {self.path}: {fault}; put back a copy, or delete the folder to run afresh.")
        known = None if fault is not None and fingerprint is not None else self.identity()
        if known is not None:
            self._compare("config.json", known, fingerprint, data_key)
            if made not in (None, known):
                raise ResultsError(
                    f"run folder {self.path}: config.json and rounds.jsonl, with seed {records[-1].seed}, are of "
                    "different runs; the command that made the study mends it or says what to do."
                )
        return fault

    def _compare(self, file: str, known: Mapping[str, str], fingerprint: str | None, data_key: str | None) -> None:
        """Raise ResultsError where the identity in a file is not the wanted one."""
        ours = {"fingerprint": fingerprint or known["fingerprint"], "data_key": data_key or known["data_key"]}
        if known == ours:
            return
        same = known["fingerprint"] == ours["fingerprint"]
        scans = "other data (other files, preparation, or an older version that counted their dates)"
        what = scans if same else "another configuration"
        found, wanted = (f"{run['fingerprint']} on data {run['data_key']}" for run in (known, ours))
        raise ResultsError(
            f"run folder {self.path} was made with {what}: {file} is of run {found}, wanted is {wanted}; "
            f"move or delete it to run afresh, or choose another OUT."
        )

    def identity(self) -> dict[str, str] | None:
        """Return the fingerprint and data key of the run, or None for a folder without a run.

        Raises ResultsError when config.json is damaged.
        """
        content = self._configuration()
        return None if content is None else {name: str(content[name]) for name in ("fingerprint", "data_key")}

    def config(self) -> dict[str, Any]:
        """Return the configuration of the run as plain data. Raises ResultsError when the folder has no run."""
        content = self._configuration()
        if content is None:
            raise ResultsError(f"{self.path} is no run folder: config.json is missing.")
        config: dict[str, Any] = content["config"]
        return config

    def _configuration(self) -> dict[str, Any] | None:
        path = self.path / "config.json"
        content = mapping_of(path)
        if content is not None and (lacking := {"fingerprint", "data_key", "config"} - set(content)):
            raise ResultsError(f"{path} is damaged or not that of a run (it lacks {', '.join(sorted(lacking))}).")
        return content

    def records(self) -> list[RoundRecord]:
        """Return the finished rounds in order. Raises ResultsError when rounds.jsonl is damaged (:class:`Rounds`)."""
        return list(Rounds.read(self.path / "rounds.jsonl").records)

    def fault(self, name: str, records: Sequence[RoundRecord]) -> str | None:
        """Return what is wrong with a file, which need not exist unless one of the rounds had it; None if nothing.

        A file of a run of an older version is only known to be damaged if it cannot be read.
        """
        sealed = next((record.files[name] for record in reversed(records) if name in record.files), None)
        return fault_of(self.path / name, sealed)

    def environment(self) -> dict[str, Any]:
        """Return the content of environment.json, empty if there is none. Raises ResultsError when it is damaged."""
        return mapping_of(self.path / "environment.json") or {}

    def save_environment(
        self, device: str, threads: int, data: Mapping[str, Any], metrics: Iterable[Metric] = ()
    ) -> None:
        """Write versions, machine and sizes of the data; and how to read metrics that are not built in.

        They are those of the first round; :attr:`RoundRecord.made_by` tells what made each of them.
        """
        facts: dict[str, Any] = {**surroundings(device), "threads": threads, "data": dict(data)}
        if further := [dataclasses.asdict(metric) for metric in metrics]:
            facts["metrics"] = further
        write_atomic(self.path / "environment.json", json.dumps(facts, indent=1))

    def save_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write ``<name>.npz``."""
        with replacing(self.path / f"{name}.npz") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def append(self, record: RoundRecord) -> RoundRecord:
        """Append a finished round, sealing the other files; return its record as written.

        The round counts once its line is on disk. Raises ResultsError when the lines before it are damaged.
        """
        path = self.path / "rounds.jsonl"
        names = (*FILES, f"state_{record.round}.pt")
        files = {name: seal(self.path / name) for name in names if (self.path / name).is_file()}
        rounds = Rounds.read(path).with_record(dataclasses.replace(record, files=files))
        write_atomic(path, rounds.text)
        return rounds.records[-1]

    def save_state(self, number: int, state: Mapping[str, Any]) -> None:
        """Save the models of round ``number``, to continue from; call it before :meth:`append`."""
        with replacing(self.path / f"state_{number}.pt") as file:
            torch.save(dict(state), file)

    def load_state(self, record: RoundRecord) -> dict[str, Any]:
        """Load the models of a finished round to the CPU. Raises ResultsError when they are missing or damaged."""
        path = self.path / f"state_{record.round}.pt"
        if fault := self.fault(path.name, [record]):
            raise ResultsError(fault)
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise ResultsError(f"{path.name} is missing") from None
        except Exception as error:  # torch raises several kinds for a file that holds something else
            raise ResultsError(f"{path.name} cannot be loaded ({type(error).__name__})") from None
        return state

    def drop_states(self, keep: int | None = None) -> None:
        """Delete the models of all rounds but ``keep``."""
        for path in self.path.glob("state_*.pt"):
            if path.name != f"state_{keep}.pt" and not path.is_dir():
                path.unlink()

    def fail(self, reason: str, trace: str) -> None:
        """Record a failure for the report, if the folder can be written."""
        with suppress(OSError, ResultsError):
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path / "failure.json", json.dumps({"reason": reason, "trace": trace}, indent=1))

    def failure(self) -> str | None:
        """Return the reason of the failure that ended the run, or None."""
        try:
            content = mapping_of(self.path / "failure.json")
        except ResultsError as error:
            return f"not known: {error}"
        return None if content is None else str(content.get("reason", "not known: failure.json has none"))
