"""``alseg ui``: studies in MLflow's UI."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from bench.commands.group import OUT


@click.command()
@OUT
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: 5000]")
def ui(out: Path, port: int | None) -> None:
    """Show the studies in OUT in MLflow's UI, on 127.0.0.1 only.

    Links to the learning curves of every study are printed first. $MLFLOW_TRACKING_URI may name another store; a
    server has a UI of its own.
    """
    from alseg_core.errors import AlsegError, ConfigError, ResultsError
    from bench.launchers.study_folder import shown
    from bench.tracking import is_server, reason, tracking_uri
    from bench.tracking.links import CURVES, HOST, PORT, newest, page

    out, port = out.expanduser().absolute(), port or PORT
    uri = tracking_uri(out)
    if is_server(uri):
        raise ConfigError("MLFLOW_TRACKING_URI names a server, which has a UI of its own; open its address.")
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (out / "mlflow.db").is_file():
        raise ResultsError(
            f"no mlflow.db in {shown(out)}; run a study first, or name the folder of its results with --out "
            "(make ui OUT=...)."
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise AlsegError(
                f"port {port} cannot be used ({error.strerror}), perhaps because a UI is open already at "
                f"http://{HOST}:{port}; choose another: alseg ui --port {port + 1} --out {shown(out)}"
            ) from None
    try:
        experiments = newest(out)
    except Exception as error:  # whatever a store raises
        raise ResultsError(f"MLflow cannot open its store: {reason(error, uri)}.") from None
    click.echo("learning curves, the newest study first, once the server below has started (Ctrl-C ends it):")
    for experiment in experiments:
        click.echo(f"  {experiment.name}: http://{HOST}:{port}/{page(experiment.experiment_id, CURVES)}")
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": uri,  # other users see the arguments of a process, and a password in them
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # several processes for the evaluation of language models
    }
    server = [
        "mlflow",
        "ui",
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
        "--uvicorn-opts",
        "--log-level warning",
    ]
    command = [sys.executable, "-P", "-m", *server]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that the server ends too
    # in a session of its own: Ctrl-C would make every process of the server print a traceback
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True) as running,
    ):
        try:
            code = running.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)
        said.seek(0)
        raise AlsegError(
            f"MLflow's server ended with exit code {code}:\n{said.read()[-2000:].decode(errors='replace')}"
        )
