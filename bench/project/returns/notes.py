"""Notes on slices, those of one kind in one line, the one that matters most first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alseg_core.errors import plural, some
from bench.project.manifest import Manifest
from bench.project.returns.marks import numbers

BACKGROUND = "taken as done, and everything there is background"
PROPOSED = "exactly as the network proposed"
EXTRA = "not asked for, and taken too"
UNSAID = "drawn on and not said to be done; left open"
STAYING = "drawn on and not said to be done; what was taken before stays"
LEFT_OUT = "edited, which nobody asked for, and left out; --keep-others takes those that are said to be done"
TAKEN = (BACKGROUND, PROPOSED)
"""What there is to say of labels that were taken, the most important first; then come notes on files."""
KINDS = (*TAKEN, EXTRA, UNSAID, STAYING, LEFT_OUT)
"""Everything that there is to say of slices, in this order."""
MOST = 12
"""Scans that a line lists."""


@dataclass
class Notes:
    """Notes that are gathered file by file."""

    slices: dict[str, dict[tuple[str, str], set[int]]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)

    def on_slices(self, kind: str, case: str, annotator: str, slices: Iterable[int]) -> None:
        """Note slices of a scan, of one of :data:`KINDS`."""
        if found := set(slices):
            self.slices.setdefault(kind, {}).setdefault((case, annotator), set()).update(found)

    def on_file(self, text: str, name: str) -> None:
        """Note a text about a file."""
        self.files.setdefault(text, []).append(name)

    def lines(self, manifest: Manifest) -> list[str]:
        """Return a line for each kind, and one for each text about files."""
        files = [f"{some(names, 3)}: {text}" for text, names in self.files.items()]
        return [*self._of(TAKEN, manifest), *files, *self._of(KINDS[len(TAKEN) :], manifest)]

    def _of(self, kinds: Sequence[str], manifest: Manifest) -> list[str]:
        lines = []
        for kind in filter(self.slices.__contains__, kinds):
            count = sum(map(len, self.slices[kind].values()))
            where = [
                f"{case}{annotator and f' of {annotator}'} {numbers(manifest, case, slices)}"
                for (case, annotator), slices in sorted(self.slices[kind].items())
            ]
            more = f"; and {plural(len(where) - MOST, 'scan')} more" if len(where) > MOST else ""
            lines.append(f"{plural(count, 'slice')} {kind}: {'; '.join(where[:MOST])}{more}")
        return lines
