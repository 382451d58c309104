"""The contact sheets."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from bench.project.exchange import write_round
from bench.project.exchange.colours import rgb
from bench.study.palette import CLASS_COLOURS
from tests.bench.project.exchange.small_projects import AXES, BARE, FIRST, OBLIQUE, Project


class Page(HTMLParser):
    """Texts, images and policy of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.images: list[dict[str, str]] = []
        self.policy = ""
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if tag == "img":
            self.images.append(values)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def picture(entry: dict[str, str]) -> np.ndarray:
    head, data = entry["src"].split(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(float)


def test_the_page_needs_nothing_and_runs_nothing(project: Callable[..., Project]) -> None:
    made = project(project="<script>alert(1)</script> & Co")
    write_round(made.round, made.manifest, made.folder)
    page = Page(made.round / "contact_sheet.html")
    assert not page.tags & {"script", "link", "iframe", "object", "a", "form"}
    assert "http://" not in page.source
    assert "https://" not in page.source
    style = re.search(r"<style>(.*?)</style>", page.source, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    assert "style=" not in page.source  # the policy forbids it
    assert "prefers-color-scheme: dark" in style
    assert any("<script>alert(1)</script> & Co" in text for text in page.texts)


def test_every_slice_with_its_neighbours(project: Callable[..., Project]) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder)
    page = Page(made.round / "contact_sheet.html")
    large = [entry for entry in page.images if entry["alt"]]
    where = {(OBLIQUE, 4): "k = 4", (OBLIQUE, 0): "k = 0", (FIRST, 1): "i = 5", (FIRST, 6): "i = 0", (BARE, 2): "k = 2"}
    assert [entry["alt"] for entry in large] == [
        f"{asked.case}, slice {where[asked.case, asked.z]}" for asked in made.manifest.slices
    ]
    assert len(page.images) == 5 + 3 * 2 + 2 * 1  # the first slice of one scan and the last one of another
    # a scan's slices are of one grey each, the brighter the higher
    levels = [picture(entry).mean() for entry in page.images if not entry["alt"]]
    assert len(levels) == 8
    for entry, asked in zip(large, made.manifest.slices, strict=True):
        height, width = picture(entry).shape[:2]
        scan = made.manifest.scan(asked.case)
        tall, wide = (scan.spacing_mm[scan.axes.order[n]] * scan.size[n - 1] for n in (1, 2))
        assert height / width == pytest.approx(tall / wide, rel=0.02)
        assert (int(entry["height"]), int(entry["width"])) == (height, width)
    at = [page.images.index(entry) for entry in large]
    below, above = picture(page.images[at[0] + 1]).mean(), picture(page.images[at[0] + 2]).mean()
    assert below < picture(large[0]).mean() < above


def test_slices_are_turned_as_the_program_reads_them(project: Callable[..., Project]) -> None:
    made = project(cases=(FIRST,))
    path = made.image(FIRST)
    file = nibabel.load(path)
    seen = np.zeros((7, 9, 11), np.int16)  # (z, y, x)
    seen[:, :3, :4] = 1000  # bright top left
    seen[:, 6:, :4] = 500  # grey bottom left
    nibabel.save(nibabel.Nifti1Image(AXES[FIRST].write(seen), file.affine, file.header), path)
    write_round(made.round, made.manifest, made.folder)
    first = picture(Page(made.round / "contact_sheet.html").images[0])[..., 0]
    height, width = first.shape
    assert first[height // 6, width // 6] > 245
    assert 110 < first[height * 5 // 6, width // 6] < 145
    assert first[height // 6, width * 5 // 6] < 10
    assert first[height * 5 // 6, width * 5 // 6] < 10


def test_proposals_are_outlined(project: Callable[..., Project]) -> None:
    made = project(cases=(BARE,))
    labels = np.zeros((5, 9, 8), np.uint8)
    labels[2, 3:6, 2:6] = 2
    write_round(made.round, made.manifest, made.folder, {BARE: labels})
    found = picture(Page(made.round / "contact_sheet.html").images[0])
    near = np.abs(found - np.array(rgb(CLASS_COLOURS[1]))).max(axis=-1) < 60
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    height, width = near.shape
    assert rows[0] == pytest.approx(height / 3, abs=3)
    assert rows[-1] == pytest.approx(height * 2 / 3, abs=3)
    assert columns[0] == pytest.approx(width / 4, abs=3)
    assert columns[-1] == pytest.approx(width * 3 / 4, abs=3)
    assert not near[height // 2, width // 2]


def test_the_picture_takes_any_name(project: Callable[..., Project]) -> None:
    made = project(cases=(BARE,), project="肝臓 $x_1$")
    name = "$\\frac{ 肝臓"
    name = name.replace("\\", "")
    manifest = dataclasses.replace(
        made.manifest,
        scans=(dataclasses.replace(made.manifest.scans[0], case=name),),
        slices=(dataclasses.replace(made.manifest.slices[0], case=name, why="because " * 20),),
    )
    write_round(made.round, manifest, made.folder)
    with Image.open(made.round / "contact_sheet.png") as sheet:
        sheet.verify()
    assert not list(made.round.rglob("*.tmp"))
