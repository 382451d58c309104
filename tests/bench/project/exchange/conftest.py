"""A project whose scans are written anew for each test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from bench.project.manifest import AskedSlice, Manifest, values_of
from tests.bench.project.exchange.small_projects import ASKED, BARE, FIRST, OBLIQUE, Project, scan_of, write_scan


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """``project(kind="mask", cases=..., **changes)`` writes scans and returns their project."""

    def make(
        kind: Literal["mask", "scribble"] = "mask", cases: tuple[str, ...] = (OBLIQUE, FIRST, BARE), **changes: Any
    ) -> Project:
        folder = tmp_path / "my project"
        (folder / "scans").mkdir(parents=True)
        scans, slices = [], []
        for case in cases:
            image = f"scans/{case}.nii.gz"
            write_scan(folder / image, case)
            scans.append(scan_of(folder / image, case, image))
            slices += [(case, z) for z in ASKED[case]]
        slices = slices[::-1]  # the order of picking is not that of the scans
        asked = tuple(
            AskedSlice(case, z, rank, None if rank == 2 else 1 / rank, f'unsure <{rank}> & "new"', 2.5)
            for rank, (case, z) in enumerate(slices, start=1)
        )
        classes = ("background", "liver", 'tumour "B"')
        values, unmarked = values_of(kind, len(classes))
        manifest = Manifest("Liver", 0, kind, classes, values, unmarked, tuple(scans), asked)
        return Project(folder, dataclasses.replace(manifest, **changes))

    return make
