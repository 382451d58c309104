"""The table and whatever else a bundle tells of its runs follow from their files."""

from __future__ import annotations

from collections.abc import Iterator

from bench.bundle.facts import difference, facts
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield the first difference in each part of the facts."""
    made = facts(bundle.folder, bundle.runs)
    told = bundle.manifest.facts
    for part in {**made, **told}:
        if part not in made or part not in told:
            yield Finding(
                f"{part} is missing in bundle.json" if part in made else f"{part} in bundle.json follows from no file"
            )
        elif text := difference(told[part], made[part], f".{part}"):
            yield Finding(text)
