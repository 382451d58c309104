"""Reports of a study, made from its run folders alone: collect > tables > plots."""

from __future__ import annotations

from pathlib import Path

from bench.report.collect import Results, collect

__all__ = ["Results", "collect", "write"]


def write(study: Path) -> Results:
    """Write comparison.md, .csv, .tex, timing.csv and curves.png to ``study``/report. Returns what they show."""
    from bench.report.plots import curves
    from bench.report.tables import comparison, markdown, tex, timing

    results = collect(study)
    folder = study / "report"
    folder.mkdir(exist_ok=True)
    table = comparison(results)
    table.to_csv(folder / "comparison.csv", index=False)
    (folder / "comparison.md").write_text(markdown(results, table))
    (folder / "comparison.tex").write_text(tex(table))
    if len(table):
        timing(results).to_csv(folder / "timing.csv", index=False)
        curves(results, folder / "curves.png")
    return results
