"""``alseg report``: write the report of one or several studies again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write.  [default: FOLDER/report]"
)
@click.option(
    "--in",
    "results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of the results of studies that are named by their YAML files.",
)
@click.option(
    "--without-scans", is_flag=True, help="Leave out pictures of scans, so that the report can be shown to anyone."
)
def report(folders: tuple[Path, ...], out: Path | None, results: Path, without_scans: bool) -> None:
    """Write the report of the runs in FOLDERS again and show its table.

    FOLDERS are folders of studies, their YAML files, bundles, or any folders that contain studies or run folders,
    copied ones too. Several are merged into one report, which needs --out; results that must not be averaged stay
    separate, as the report explains.
    """
    from rich.console import Console

    from alseg_core.errors import ConfigError, ResultsError
    from bench import report as reports
    from bench.launchers.study_folder import shown
    from bench.report.tables import terminal

    if out is None and len(folders) > 1:
        raise ConfigError(f"{len(folders)} folders were given: choose one for their report with --out FOLDER.")
    if out is None and is_bundle(folders[0]):
        raise ConfigError(f"{folders[0]} is a file: choose a folder for its report with --out FOLDER.")
    with ExitStack() as stack:
        folders = tuple(folder_of(path, results, stack) for path in folders)
        target = out if out is not None else folders[0] / "report"
        try:
            written = reports.write(folders, out, scans=not without_scans)
        except OSError as error:  # a disk that is full, or a folder where a file belongs
            place = error.filename or target
            why = f"{place} cannot be written ({error.strerror}); choose another with --out FOLDER."
            raise ResultsError(why) from None
    Console().print(terminal(written), crop=False)
    click.echo(f"report: {shown(target.absolute() / 'report.html')}")


def is_bundle(path: Path) -> bool:
    """Return whether a path is that of a bundle."""
    return path.suffix == ".zip" and not path.is_dir()


def folder_of(path: Path, results: Path, stack: ExitStack) -> Path:
    """Return the folder of the study that a YAML file describes or a bundle holds; any other path as it is.

    A bundle is unpacked until the end of ``stack``.
    """
    from bench.bundle.opened import opened
    from bench.study import Study

    if is_bundle(path):
        return stack.enter_context(opened(path)).folder
    is_file = path.suffix in (".yaml", ".yml") and not path.is_dir()
    return results / Study.find(str(path)).name if is_file else path
