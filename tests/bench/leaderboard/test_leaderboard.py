"""A folder of bundles becomes one page: whose numbers, who stands beside whom, and what is left out."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from alseg_core.metrics.curve import aubc
from alseg_core.results import RunFolder
from bench.bundle.archive import unpacked
from bench.bundle.pack import pack
from bench.cli import main
from bench.leaderboard.entry import Entry, read
from bench.leaderboard.page import page
from bench.leaderboard.rows import Difference
from bench.leaderboard.tables import tables
from bench.report.runs.run import Run
from tests.bench.bundle.conftest import SETTINGS, finished_study
from tests.bench.bundle.forging import Forged, forge
from tests.bench.bundle.test_forgeries import better
from tests.bench.report.test_html import Page

EVIL = "<script>alert(1)\" onerror='x' {{ 7 * 7 }}"


def alseg(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="session")
def entry(honest: Path) -> Entry:
    """The honest bundle as an entry; only read."""
    return read(honest, "honest")


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    """Folder with the honest bundle."""
    (tmp_path / "results").mkdir()
    shutil.copy(honest, tmp_path / "results" / "honest.alseg.zip")
    return tmp_path / "results"


@pytest.fixture
def forged(honest: Path, tmp_path: Path) -> Callable[[Callable[[Forged], None]], Entry]:
    """``forged(change)`` is a changed copy of the honest bundle as an entry."""
    return lambda change: read(forge(honest, tmp_path / f"{change.__name__}.alseg.zip", change), change.__name__)


def learned(forged: Forged) -> None:
    """Give last rounds scores as of networks that have learned something, which those of a tiny study have not."""
    for recipe, gains in {"random": (0.0, 0.02, 0.01), "entropy": (0.1, 0.15, 0.08)}.items():
        for seed, gain in enumerate(gains):
            better(forged.run(recipe, seed), 1, gain)


def areas(bundle: Path, recipe: str) -> list[float]:
    """AUBC of the runs of a recipe, by seed, from their records."""
    with unpacked(bundle) as folder:
        index = json.loads((folder / "study.json").read_text())["runs"]
        runs = sorted((run["seed"], run["key"]) for run in index if run["recipe"] == recipe)
        records = [RunFolder(folder / "runs" / key).records() for _, key in runs]
    return [aubc([one.labelled for one in own], [float(one.summary["dice"] or 0) for one in own]) for own in records]


def test_numbers_are_those_of_the_runs(forged: Callable[[Callable[[Forged], None]], Entry]) -> None:
    entry = forged(learned)
    (part,) = entry.parts
    rows = {row.recipe: row for row in part.rows}
    assert set(rows) == {"random", "entropy"} and rows["random"].base and rows["random"].difference is None
    entropy, random = areas(entry.path, "entropy"), areas(entry.path, "random")
    row, difference = rows["entropy"], rows["entropy"].difference
    assert row.score is not None and difference is not None
    assert row.score.mean == pytest.approx(np.mean(entropy))
    assert (row.seeds, row.family, row.slices.value) == ("3", "Uncertainty", 6)
    assert difference.mean == pytest.approx(np.mean(entropy) - np.mean(random))
    assert difference.low < difference.mean < difference.high
    assert difference.p == pytest.approx(stats.ttest_rel(entropy, random).pvalue)  # one test needs no correction
    assert difference.p < 0.05 and difference.finding == "better"
    text = page([entry])
    for shown in (f"{row.score.mean:.3f}", f"{difference.mean:+.3f}", f"{difference.p:.3f}"):
        assert f">{shown}<" in text


def test_the_page_shows_each_method_its_bundle_and_its_check(entry: Entry) -> None:
    text = page([entry])
    shown = Page(text)
    kinds = [row["data-kind"] for row in shown.all("tr") if "data-kind" in row]
    assert sorted(kinds) == ["References", "Uncertainty"]
    anchors = {attributes["id"] for _, attributes in shown.elements if attributes.get("id")}
    links = [str(link["href"]) for link in shown.all("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert [link for link in links if not link.startswith("#")] == ["bundles/honest.alseg.zip"]
    assert "none, as its author says" in shown.texts["dd"]
    assert "not tested" in shown.texts["small"]  # such short trainings score 0 in all runs
    for name in entry.checks:
        assert name in text


def test_columns_sort_by_the_numbers_that_they_show(
    forged: Callable[[Callable[[Forged], None]], Entry],
) -> None:
    one = forged(learned)
    shown = Page(page([one]))
    assert len(shown.all("table", **{"class": "sortable"})) == 1
    first, *others = tables([one])[0].rows
    cells = [cell for cell in shown.all("td") if "data-value" in cell]
    known = [float(cell["data-value"]) for cell in cells if cell["data-value"]]
    assert first.score is not None and first.last is not None and first.difference is not None
    numbers = [first.score.mean, *[first.difference.mean] * 2, first.difference.p, first.last.mean]
    assert known[: len(numbers)] == pytest.approx(numbers)
    assert first.seconds == pytest.approx(sum(part.value or 0 for part in (first.embedding, first.selection)))
    assert any(number == pytest.approx(first.seconds) for number in known)
    columns, spans = len(shown.all("th", scope="col")), [int(cell.get("colspan") or 1) for cell in shown.all("td")]
    assert sum(spans) + len(shown.all("th", scope="row")) == columns * (1 + len(others))


def test_the_page_asks_nothing_of_the_network_and_tells_no_folder(entry: Entry) -> None:
    text = page([entry])
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//|@import|url\(", text)
    (policy,) = Page(text).all("meta", http_equiv="Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'") and text.count("<script>") == 1
    assert str(Path.home()) not in text and str(entry.path.parent) not in text


def test_same_bundles_give_the_same_bytes_wherever_they_are(folder: Path, tmp_path: Path) -> None:
    (folder / "junk.alseg.zip").write_text("no archive")
    elsewhere = tmp_path / "other" / "place"
    shutil.copytree(folder, elsewhere)
    assert alseg(folder, "-o", tmp_path / "a").exit_code == alseg(elsewhere, "-o", tmp_path / "b").exit_code == 1
    assert (tmp_path / "a/index.html").read_bytes() == (tmp_path / "b/index.html").read_bytes()


def test_a_bundle_that_fails_is_listed_with_its_reasons_and_in_no_table(
    honest: Path, folder: Path, tmp_path: Path
) -> None:
    def edited(forged: Forged) -> None:
        forged.run("entropy", 0).rounds[1]["summary"]["dice"] = 0.9

    (folder / "team").mkdir()
    forge(honest, folder / "team" / "edited.alseg.zip", edited)
    site = tmp_path / "site"
    done = alseg(folder, "-o", site)
    assert done.exit_code == 1 and "failed  team/edited\n        means from volumes: " in done.output
    assert [path.name for path in sorted((site / "bundles").rglob("*"))] == ["honest.alseg.zip"]
    assert (site / "bundles/honest.alseg.zip").read_bytes() == honest.read_bytes()
    text = (site / "index.html").read_text()
    before, failed = text.split("Bundles that failed</h2>")
    assert text.count("<tr data-kind") == 2 and 'href="bundles/team' not in text
    assert "team/edited" not in before and "team/edited" in failed
    assert "entropy seed 0" in failed and "0.9" in failed


def test_what_strict_finds_stands_beside_a_bundle_that_passes(honest_study: Path, tmp_path: Path) -> None:
    silent = read(pack(honest_study, tmp_path / "silent.alseg.zip").path, "silent")
    assert silent.standing == "passed" and len(silent.parts) == 1
    text = page([silent])
    assert "nothing is said about tuning: pack with" in text and text.count('data-strict="no"') == 3


def other_training(forged: Forged) -> None:
    for run in forged.runs:
        run.config["train"]["lr"] = 0.0123
        forged.identify(run)


def other_entropy(forged: Forged) -> None:
    for run in forged.of("entropy"):
        run.config["recipe"]["strategy"]["passes"] = 7
        forged.identify(run)


def test_a_copy_under_another_name_is_told(entry: Entry) -> None:
    text = page([entry, read(entry.path, "copy")])
    assert re.search(r"6 of its runs are also in <a href=\"#[\w-]+\">copy</a>", text)


def test_bundles_of_one_setting_share_a_table_and_no_number_changes(
    entry: Entry, forged: Callable[[Callable[[Forged], None]], Entry]
) -> None:
    other = forged(other_entropy)
    assert other.passed, other.checks
    (table,) = tables([entry, other])
    assert sorted((row.recipe, row.bundle) for row in table.rows) == [
        ("entropy", "honest"),
        ("entropy", "other_entropy"),
        ("random", "honest"),
        ("random", "other_entropy"),
    ]
    assert table.notes == ["entropy has different settings in honest and in other_entropy."]
    (own,) = tables([entry])
    assert {(row.recipe, row.score, row.difference) for row in own.rows} <= {
        (row.recipe, row.score, row.difference) for row in table.rows
    }


def test_bundles_that_were_trained_otherwise_stand_apart_with_the_reason(
    entry: Entry, forged: Callable[[Callable[[Forged], None]], Entry]
) -> None:
    other = forged(other_training)
    assert other.passed, other.checks
    first, second = tables([entry, other])
    assert (first.title, first.apart) == (entry.parts[0].panel.title, "")
    assert second.title == f"{first.title} (other_training)"
    assert second.apart == "other_training is kept apart from honest: a different training."
    assert first.anchor != second.anchor


def with_key(entry: Entry, name: str, key: str, root: str | None) -> Entry:
    """An entry under another name, whose data were prepared from scans in a folder under another key."""

    def changed(run: Run) -> Run:
        config = {**(run.config or {}), "dataset": {**(run.config or {})["dataset"], "root": root}}
        return dataclasses.replace(run, config=config, data_key=key, home=Path(name))

    parts = tuple(dataclasses.replace(part, runs=tuple(map(changed, part.runs))) for part in entry.parts)
    return dataclasses.replace(entry, name=name, parts=parts)


def test_copies_of_the_same_scans_share_a_table_that_says_so(entry: Entry) -> None:
    mine, yours = (with_key(entry, name, key, "scans") for name, key in (("mine", "k1"), ("yours", "k2")))
    (table,) = tables([mine, yours])
    assert [name for name, _ in table.parts] == ["mine", "yours"]
    assert any("Scans of mine and yours are in other files" in note for note in table.notes)
    assert len(tables([with_key(entry, "mine", "k1", None), with_key(entry, "yours", "k2", None)])) == 2


def test_the_plain_title_is_that_of_most_bundles(
    entry: Entry, forged: Callable[[Callable[[Forged], None]], Entry]
) -> None:
    odd = dataclasses.replace(forged(other_training), name="a")
    common, single = tables([odd, entry, dataclasses.replace(entry, name="z")])
    assert common.title == entry.parts[0].panel.title and len(common.parts) == 2
    assert single.apart == "a is kept apart from honest: a different training."


def test_names_of_a_stranger_are_text(forged: Callable[[Callable[[Forged], None]], Entry]) -> None:
    def evil(forged_: Forged) -> None:
        for run in forged_.of("entropy"):
            run.config["recipe"]["name"] = EVIL
            forged_.entry(run)["recipe"] = EVIL
            forged_.identify(run)
            for record in run.rounds:
                record["made_by"]["alseg"] = "0.0.9"  # this version writes no such name, and another might

    stranger = forged(evil)
    assert stranger.passed, stranger.checks
    text = page([stranger])
    assert text.count("<script>") == 1 and "&lt;script&gt;alert(1)" in text
    assert not any("onerror" in attributes for _, attributes in Page(text).elements)


def test_a_bundle_whose_runs_all_failed_has_no_table(forged: Callable[[Callable[[Forged], None]], Entry]) -> None:
    def failed(forged_: Forged) -> None:
        for run in forged_.runs:
            run.rounds, run.failure = [], "no memory"

    nothing = forged(failed)
    assert nothing.passed and not nothing.strict and nothing.parts == ()
    assert "6 declared failed" in page([nothing])


def test_an_embedding_by_its_name_alone_is_read(forged: Callable[[Callable[[Forged], None]], Entry]) -> None:
    def pixels(forged_: Forged) -> None:
        for run in forged_.of("entropy"):
            run.config["recipe"] |= {"strategy": {"name": "coreset"}, "embed": "pixels"}
            forged_.identify(run)

    named = forged(pixels)
    assert named.passed, named.checks
    assert {row.recipe: row.family for row in named.parts[0].rows}["entropy"] == "Coverage"


def test_the_kind_of_a_method_is_not_what_its_author_calls_it(
    forged: Callable[[Callable[[Forged], None]], Entry],
) -> None:
    def modest(forged_: Forged) -> None:
        forged_.study["sources"] = {"entropy": "reference, no method"}

    assert {row.recipe: row.family for row in forged(modest).parts[0].rows}["entropy"] == "Uncertainty"


def test_a_bundle_that_cannot_be_read_takes_no_page_with_it(honest: Path, folder: Path, tmp_path: Path) -> None:
    def cited_by_a_number(forged_: Forged) -> None:
        forged_.study["sources"] = 7

    forge(honest, folder / "odd.alseg.zip", cited_by_a_number, made_again=False)
    (folder / "nowhere.alseg.zip").symlink_to(tmp_path / "nothing")
    done = alseg(folder, "-o", tmp_path / "site")
    assert done.exit_code == 1
    assert "failed  nowhere\n        the page: it is no file, or a link that leads to none" in done.output
    assert "failed  odd" in done.output and "failed  honest" not in done.output
    text = (tmp_path / "site" / "index.html").read_text()
    assert str(tmp_path) not in text and text.count("<tr data-kind") == 2


def test_few_seeds_validation_volumes_and_a_single_budget_are_said(tmp_path: Path) -> None:
    study = finished_study(tmp_path, [*SETTINGS, "recipes=random", "seeds=1", "evaluate.part=val", "schedules.low=[3]"])
    alone = read(pack(study, tmp_path / "val.alseg.zip", tunings=[]).path, "val")
    text = page([alone])
    assert alone.standing == "passed" and "Scores are of validation volumes" in text
    (row,) = alone.parts[0].rows
    assert row.score is not None and row.score.interval == "—" and row.seeds == "1"
    (table,) = tables([alone])
    assert table.score == table.last == "Dice at 3" and "AUBC" not in Page(text).texts["th"]


def test_a_folder_without_bundles_gives_a_page_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    done = alseg(tmp_path / "results", "-o", tmp_path / "site")
    assert done.exit_code == 0
    text = (tmp_path / "site" / "index.html").read_text()
    assert "There is no bundle yet" in text and Page(text).all("table") == []


def test_a_page_of_somebody_else_stays(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for folder in (tmp_path / "results", site):
        folder.mkdir()
    (site / "index.html").write_text("<p>my home page")
    done = alseg(tmp_path / "results", "-o", site)
    assert done.exit_code == 2 and "is no page of a leaderboard and stays" in (done.output + done.stderr)
    assert (site / "index.html").read_text() == "<p>my home page"
    (site / "index.html").unlink()
    assert [alseg(tmp_path / "results", "-o", site).exit_code for _ in range(2)] == [0, 0]


def test_the_column_of_differences_names_what_the_study_compares_with(entry: Entry) -> None:
    (part,) = entry.parts
    rows = [
        dataclasses.replace(row, base=False, difference=Difference("strided", "AUBC", 0.1, 0.0, 0.2, 0.5, ""))
        for row in part.rows
    ]
    text = page([dataclasses.replace(entry, parts=(dataclasses.replace(part, rows=rows),))])
    assert "from strided<small>" in text and "from random" not in text


def test_a_bundle_that_is_gone_is_left_and_named(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert "on this page no more" not in alseg(folder, "-o", site).output
    (folder / "honest.alseg.zip").unlink()
    done = alseg(folder, "-o", site)
    assert done.exit_code == 0 and "honest.alseg.zip is on this page no more" in done.output
    assert (site / "bundles/honest.alseg.zip").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "-o", "site"], "missing does not exist; a leaderboard is made of a folder with bundles"),
        (["results", "-o", "results/site"], "results/site is in results, where the copies of the bundles would be"),
        (["results", "-o", "file/site"], "cannot be written"),
        (["odd", "-o", "site"], "odd/a b.alseg.zip: names of bundles and their folders have letters of English"),
    ],
)
def test_wrong_folders_are_one_clear_error(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("results", "odd"):
        Path(name).mkdir()
    Path("file").touch()
    Path("odd/a b.alseg.zip").touch()
    done = alseg(*arguments)
    assert done.exit_code == 2 and message in done.output.replace("\n", " ") + done.stderr
