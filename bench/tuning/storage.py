"""Storage of Optuna's trials: a SQLite file below OUT, or the storage that a URL names."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alseg_core.errors import AlsegError, ConfigError, MissingPackageError
from bench.tracking import shown, without_secrets

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

VARIABLE = "ALSEG_OPTUNA_URL"
"""Environment variable with the URL of the storage."""

WAIT_S = 60
"""How long SQLite waits for another process that is writing, such as a dashboard, in seconds."""

JOURNAL, GRPC = "journal://", "grpc://"
"""Schemes of the storages that SQLAlchemy does not open."""


def storage_url(out: Path, given: str | None) -> str:
    """Return the given URL, or $ALSEG_OPTUNA_URL, or ``optuna.db`` below ``out``."""
    return given or os.environ.get(VARIABLE) or f"sqlite:///{out.absolute() / 'optuna.db'}"


def open_storage(url: str) -> BaseStorage:
    """Open the storage of a URL: any of SQLAlchemy's, ``journal://FILE`` or ``grpc://HOST:PORT`` (Optuna's proxy).

    Raises ConfigError when the URL is malformed and AlsegError when the storage cannot be opened.
    """
    import optuna
    from optuna.storages import GrpcStorageProxy, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for logger in ("alembic", "optuna"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    try:
        if url.startswith(JOURNAL):
            file = str(Path(url.removeprefix(JOURNAL)).expanduser())
            return JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file)))
        if url.startswith(GRPC):
            host, _, port = url.removeprefix(GRPC).rpartition(":")
            with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
                return GrpcStorageProxy(host=host, port=int(port))
        waits = {"connect_args": {"timeout": WAIT_S}} if make_url(url).get_backend_name() == "sqlite" else {}
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **waits})
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{shown(url)!r} is not an Optuna storage URL; use sqlite:///FILE, another URL of SQLAlchemy, "
            "journal://FILE or grpc://HOST:PORT."
        ) from None
    except ImportError as error:
        raise MissingPackageError(f"the storage {shown(url)} needs another package: {_brief(error, url)}") from None
    except Exception as error:
        raise AlsegError(f"the storage {shown(url)} cannot be opened: {_brief(error, url)}") from None


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Raise AlsegError when the storage stops answering."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise AlsegError(
            f"the storage {shown(url)} does not answer: {_brief(error, url)}. No finished trial is lost; the same "
            "command continues from there."
        ) from None


def _brief(error: Exception, url: str) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return without_secrets(line, url)[:300]
