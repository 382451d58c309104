"""The leaderboard as one page that works offline: no network, fonts or scripts of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alseg_core.store import digest
from alseg_core.visible import visible
from bench.bundle.check import LONGEST, SHOWN
from bench.bundle.pack import ENDING
from bench.leaderboard.bars import bar
from bench.leaderboard.entry import Entry
from bench.leaderboard.site import address
from bench.leaderboard.tables import Table, tables
from bench.report.html import HERE as REPORT
from bench.report.html import breakable, coded, sortable
from bench.report.numbers import NOTHING, signed
from bench.templates import policy, templates

HERE = Path(__file__).parent
MARK = '<meta name="generator" content="alseg leaderboard">'
"""What tells a page of a leaderboard, which may be written again, from one of somebody else."""


def page(entries: Sequence[Entry]) -> str:
    """Return the page about bundles. Names and findings are escaped; only its own style and script may run."""
    from markupsafe import Markup

    style = (REPORT / "report.css").read_text() + (HERE / "leaderboard.css").read_text()
    script = (REPORT / "sorting.js").read_text() + (HERE / "leaderboard.js").read_text()
    environment = templates(HERE, html=True)
    environment.filters |= {"bar": bar, "breakable": breakable, "coded": coded, "signed": signed}
    environment.filters |= {"sortable": sortable, "anchor": anchor, "address": address}
    environment.filters |= {"foremost": foremost, "shortened": shortened, "sealed": sealed}
    shown = tables(entries)
    found: str = environment.get_template("leaderboard.html.j2").render(
        passed=[entry for entry in entries if entry.passed],
        failed=[entry for entry in entries if not entry.passed],
        tables=shown,
        choices=choices(shown),
        shared=shared(entries),
        ending=ENDING,
        nothing=NOTHING,
        policy=policy(style, script),
        mark=Markup(MARK),
        style=Markup(style),
        script=Markup(script),
    )
    return found


def choices(shown: Sequence[Table]) -> dict[str, list[str]]:
    """Return filter -> its values, in the order of the page."""
    values = {
        "dataset": [table.first.panel.setting[0] for table in shown],
        "annotation": [table.first.panel.setting[1] for table in shown],
        "kind": sorted({row.family for table in shown for row in table.rows}),
    }
    return {name: list(dict.fromkeys(found)) for name, found in values.items()}


def shared(entries: Sequence[Entry]) -> dict[str, list[tuple[str, int]]]:
    """Return bundle -> (another one, how many runs both have, to the byte)."""
    return {
        entry.name: [
            (other.name, both) for other in entries if other is not entry and (both := len(entry.rounds & other.rounds))
        ]
        for entry in entries
    }


def anchor(name: str) -> str:
    """Return the address of a bundle on the page."""
    return f"b-{digest(name)[:12]}"


def sealed(seal: str) -> str:
    """Return size and checksum of a file in words."""
    size, checksum = seal.split()
    return f"{int(size):,} bytes, SHA-256 {checksum}"


def foremost(findings: Sequence[str]) -> list[str]:
    """Return as many findings of a check as are shown."""
    return list(findings[:SHOWN])


def shortened(text: str) -> str:
    """Return a finding as far as it is shown."""
    return visible(text, LONGEST)
