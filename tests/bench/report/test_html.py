"""The page: complete, closed to the outside, and safe to open whatever a run was called or died of."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench import report
from bench.cli import main
from bench.report.figures import FIGURES
from bench.report.html import breakable, coded
from tests.bench.report.study_files import runs, study

EVIL = "<script>alert(1)</script>\" onerror='x' {{ 7 * 7 }}"
VOID = ("meta", "img", "input", "br", "hr", "link", "wbr")


class Page(HTMLParser):
    """Elements with their attributes, tables' texts, and whether tags close in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        names = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [a for t, a in self.elements if t == tag and all(a.get(n) == v for n, v in names.items())]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report folder of two settings with a failure that tries to be a script."""
    folder = study(
        tmp_path_factory.mktemp("html") / "s",
        [
            *runs({"random": 0.6, "coreset": 0.7, "oracle_foreground": 0.8}, 3),
            *runs({"random": 0.5, "coreset": 0.6}, 3, config={"schedule": "late", "budgets": [0.1, 0.2, 60]}),
            {"recipe": "badge", "seed": 0, "dice": [0.4], "failure": EVIL},
        ],
        f"study {EVIL}",
        sources={"d": f"Someone {EVIL}"},
    )
    report.write(folder)
    return folder / "report"


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return (written / "report.html").read_text()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_what_is_written(written: Path) -> None:
    there = {path.name for path in written.iterdir()}
    tables = ("comparison", "cells", "areas", "tests", "penalties", "standing", "power", "primary", "timing")
    assert {"report.html", "comparison.md", "comparison.tex", *(f"{name}.csv" for name in tables)} <= there
    assert any(name.startswith("curves") for name in there)


def test_nothing_comes_from_outside(text: str, page: Page) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.all("img"))
    assert page.all("link") == [] and all("src" not in script for script in page.all("script"))


def test_figures_are_those_beside_the_page(written: Path, text: str) -> None:
    shown = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    files = [path.read_text() for path in written.glob("*.svg")]
    assert len(shown) == len(files) >= 4
    bare = [re.sub(r'( role="img" aria-label="[^"]*"| xmlns(:xlink)?="[^"]*")', "", one) for one in (*shown, *files)]
    assert sorted(bare[: len(shown)]) == sorted(bare[len(shown) :])
    stems = {path.stem for path in written.glob("*.svg")}
    assert stems == {path.stem for path in written.glob("*.pdf")} == {path.stem for path in written.glob("*.png")}


def test_every_figure_says_what_it_is(page: Page) -> None:
    assert len(page.all("svg")) == len(page.all("figure")) >= 4, "scans are the only pictures of pixels"
    assert all(one["aria-label"] and one["role"] == "img" for one in page.all("svg"))
    assert all(one["alt"] for one in page.all("img"))


def test_a_figure_is_plain_shapes(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    inside = page.elements[tags.index("svg") :]
    assert {"path", "use", "text"} <= {tag for tag, _ in inside} and not {"style", "foreignobject", "a"} & set(
        tags[60:]
    )
    marked = {one["data-recipe"] for one in page.all("g") if one.get("data-recipe")}
    assert marked >= {"random", "coreset", "oracle_foreground"}


def test_a_command_in_a_sentence_is_code_and_nothing_else_is_markup() -> None:
    assert coded("run `make x <y>` <b>") == "run <code>make x &lt;y&gt;</code> &lt;b&gt;"
    assert breakable("a_<b>") == "a_<wbr>&lt;b&gt;"


def test_ids_are_unique_and_links_lead_to_them(page: Page) -> None:
    ids = [str(a["id"]) for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [str(a[name]) for _, a in page.elements for name in ("href", "xlink:href") if name in a]
    links += [str(a["clip-path"])[4:-1] for _, a in page.elements if "clip-path" in a]
    own = [link for link in links if link.startswith("#")]
    assert len(own) > 20 and {link[1:] for link in own} <= set(ids)


def test_no_part_is_empty(tmp_path: Path) -> None:
    report.write(study(tmp_path / "s", runs({"random": 0.6, "coreset": 0.7}, 2)))
    text = (tmp_path / "s" / "report" / "report.html").read_text()
    there = set(re.findall(r'<section[^>]* id="(\w+)"', text))
    assert there == {"s1", "recipes", "made", "work"} == {link["href"][1:] for link in Page(text).all("a")}
    assert re.search(r"missing runs</dt><dd>none</dd>", text)
    assert not re.search(r"<(section|ul|dl|tbody|figure|p|dd|h2)[^>]*>\s*</\1>", text)
    assert "<select" in text and 'name="dataset"' not in text, "nothing to choose from"


def test_a_reason_cannot_act(text: str, page: Page) -> None:
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "{{ 7 * 7 }}" in text
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") or name == "style" for _, a in page.elements for name in a)


def test_only_its_own_script_and_style_may_act(text: str, page: Page) -> None:
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    for tag in ("script", "style"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in str(policy["content"])
    assert str(policy["content"]).startswith("default-src 'none'")


def test_filters_offer_what_is_there(text: str, page: Page) -> None:
    assert {select["name"] for select in page.all("select")} == {"schedule", "budget"}, "the rest has one value"
    options = [option.strip() for option in re.findall(r"<option>(.*?)</option>", text)]
    assert options == ["default", "late", "10 %", "20 %", "40 %", "60"]
    assert [s["data-schedule"] for s in page.all("section", **{"class": "setting"})] == ["default", "late"]
    heads = [a["data-budget"] for a in page.all("th") if "data-budget" in a]
    assert heads == ["10 %", "20 %", "40 %", "10 %", "20 %", "60"]
    cells = [a for a in page.all("td") if "data-budget" in a]
    assert len(cells) == 3 * (4 + 2)  # badge has one budget, its other cells are empty
    assert {row["data-recipe"] for row in page.all("tr") if "data-recipe" in row} >= {"random", "coreset", "badge"}


def test_the_page_says_what_a_reader_needs(page: Page) -> None:
    heads = [text.strip() for text in page.texts["h2"]]
    assert heads == [
        "d, mask",
        "d, mask, budgets late",
        "Missing runs",
        "Recipes",
        "How the numbers were made",
        "Time, memory, savings",
        "What to cite",
    ]
    assert "Before you trust a number" in page.texts["h3"] and "What the differences mean" in page.texts["h3"]
    assert [text for text in page.texts["p"] if "beats" in text] == 2 * [
        "So far, with 1 of 10 runs missing: coreset beats random (+0.098 AUBC, p < 0.001, 3 seeds); "
        "badge (no complete seed in common) is not tested.",
        "coreset beats random (+0.098 AUBC, p < 0.001, 3 seeds).",
    ]


def test_the_same_runs_give_the_same_bytes(written: Path, tmp_path: Path) -> None:
    report.write(written.parent, tmp_path / "again")
    first = {path.name: path.read_bytes() for path in written.iterdir()}
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert first.keys() == again.keys() and [name for name in first if first[name] != again[name]] == []


def test_a_picture_that_fails_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("no ink")

    import dataclasses

    for name, drawing in FIGURES.items():
        monkeypatch.setitem(FIGURES, name, dataclasses.replace(drawing, draw=broken))
    report.write(study(tmp_path / "s", runs({"random": 0.6}, 2)))
    for name in ("report.html", "comparison.md"):
        assert "no ink" in (tmp_path / "s" / "report" / name).read_text()


NOTHING: dict[str, Callable[[Path], Path]] = {
    "no round": lambda place: study(place, [{"recipe": "random", "seed": 0, "dice": []}]),
    "all failed": lambda place: study(place, [{"recipe": "random", "seed": 0, "dice": [], "failure": "bad luck"}]),
    "one run": lambda place: study(place, runs({"random": 0.5}, 1)),
    "only a reference": lambda place: study(place, runs({"oracle_foreground": 0.5}, 2)),
    "one budget": lambda place: study(
        place, [{"recipe": r, "seed": s, "dice": [0.5], "config": {"budgets": [0.1]}} for r in "ab" for s in (0, 1)]
    ),
}


@pytest.mark.parametrize("what", NOTHING)
def test_little_is_reported_too(tmp_path: Path, what: str) -> None:
    folder = NOTHING[what](tmp_path / "s")
    result = CliRunner().invoke(main, ["report", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0 and f"report: {folder / 'report' / 'report.html'}" in result.output.replace("\n", "")
    Page((folder / "report" / "report.html").read_text())
    if what in ("no round", "all failed"):
        said = "not finished" if what == "no round" else "bad luck"
        assert said in (folder / "report" / "report.html").read_text() and said in result.output


def test_the_command_merges_and_wants_a_place(tmp_path: Path) -> None:
    a = study(tmp_path / "a", runs({"random": 0.5}, 2), "a")
    b = study(tmp_path / "b", runs({"coreset": 0.6}, 2), "b")
    result = CliRunner().invoke(main, ["report", str(a), str(b)])
    assert result.exit_code == 2 and "--out" in result.output
    result = CliRunner().invoke(main, ["report", str(a), str(b), "--out", str(tmp_path / "both")])
    assert result.exit_code == 0 and "coreset" in result.output and "random" in result.output
    assert "<h1>a + b</h1>" in (tmp_path / "both" / "report.html").read_text()
