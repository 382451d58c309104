"""Reports of studies, made from run folders alone: runs > analysis > tables, figures > document. See README.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.report.runs.results import Results, collect

__all__ = ["Results", "collect", "write"]


def write(folders: Path | Sequence[Path], out: Path | None = None) -> Results:
    """Write the report of one or several folders with results to ``out``; return the results.

    out: by default "report" in the first folder. report.html holds everything and works on its own; comparison.md,
    comparison.tex and the figures are for papers and notes, the .csv files for further calculations. The same runs give
    the same bytes. A figure that fails is reported and does not affect the rest. Raises ResultsError if there are no
    runs.
    """
    from bench.report.document import document
    from bench.report.figures import draw_all
    from bench.report.html import html
    from bench.report.markdown import markdown
    from bench.report.tables import comparison, latex, panels, timing
    from bench.report.tables.terminal import analysed

    several = [folders] if isinstance(folders, Path) else list(folders)
    results = collect(several)
    folder = out if out is not None else several[0] / "report"
    folder.mkdir(parents=True, exist_ok=True)
    analysis = analysed(results)
    whole = document(results, analysis, draw_all(results, analysis, folder))
    (folder / "report.html").write_text(html(whole))
    (folder / "comparison.md").write_text(markdown(whole))
    (folder / "comparison.tex").write_text(latex(panels(results, analysis)))
    tables = {
        "comparison": comparison(results),
        "timing": timing(results),
        "embeddings": results.embeddings,
        **vars(analysis),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return results
