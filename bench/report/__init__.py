"""Reports of studies, made from run folders alone: runs > analysis > tables, figures > document. See README.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alseg_core.errors import ResultsError
from bench.report.runs.results import Results, collect
from bench.study import foreign

__all__ = ["Results", "collect", "write"]


def write(folders: Path | Sequence[Path], out: Path | None = None, links: bool = False, scans: bool = True) -> Results:
    """Write the report of one or several folders with results to ``out``; return the results.

    out: by default "report" in the first folder. report.html holds everything and works on its own; comparison.md,
    comparison.tex and the figures are for papers and notes, the .csv files for further calculations. The same runs give
    the same bytes. A figure that fails is reported and does not affect the rest. links: whether symbolic links may lead
    out of the folders; only for folders that do not come from elsewhere. scans: whether to draw pictures of scans.
    Raises ResultsError if there are no runs, or if ``out`` cannot be written.
    """
    from bench.report.document import document
    from bench.report.figures import draw_all
    from bench.report.html import html
    from bench.report.markdown import markdown
    from bench.report.output import prepare, write_csv, write_text
    from bench.report.tables import comparison, latex, panels, timing
    from bench.report.tables.terminal import analysed

    several = [folders] if isinstance(folders, Path) else list(folders)
    results = collect(several, links)
    folder = out if out is not None else several[0] / "report"
    if out is None and not links and not foreign.within(folder, several[:1]):
        raise ResultsError(f"{folder} is a link to {foreign.real(folder)}; choose where to write with --out FOLDER.")
    prepare(folder)
    analysis = analysed(results)
    whole = document(results, analysis, draw_all(results, analysis, folder, scans))
    write_text(folder / "report.html", html(whole))
    write_text(folder / "comparison.md", markdown(whole))
    write_text(folder / "comparison.tex", latex(panels(results, analysis)))
    tables = {
        "comparison": comparison(results),
        "timing": timing(results),
        "embeddings": results.embeddings,
        "cases": results.cases,
        **vars(analysis),
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    return results
