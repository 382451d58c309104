"""The table of annotated slices, the others of their volumes and new volumes, from the records of runs."""

import json

import pytest

from bench.report.runs.results import collect
from bench.report.tables import comparison
from bench.report.tables.by_slice import by_slice
from tests.bench.report.study_files import study

HERE = ("d", "mask", "default")
SCORES = {"annotated_dice": [0.7, 0.8, 0.9], "unannotated_dice": [0.6, 0.6, 0.9], "new_dice": [0.5, None, 0.6]}


@pytest.fixture
def results(tmp_path):
    """One recipe, three seeds; in the round of the first budget each seed has scores of its own."""
    folder = study(tmp_path / "s", [{"recipe": "random", "seed": s, "dice": [0.4, 0.5, 0.6]} for s in range(3)])
    for seed, path in enumerate(sorted(folder.glob("runs/*/rounds.jsonl"))):
        first, *others = map(json.loads, path.read_text().splitlines())
        first["summary"] |= {name: scores[seed] for name, scores in SCORES.items()}
        path.write_text("".join(json.dumps(round_) + "\n" for round_ in (first, *others)))
    return collect(folder)


def test_cells_are_means_and_deviations_over_seeds(results):
    sheet = by_slice(results, HERE).lean()
    assert [name.split(",")[0] for name in sheet.columns[2:]] == ["Dice"] * 3
    (line,) = sheet.lines
    assert [entry.text for entry in line.entries[2:]] == ["0.800 ± 0.100", "0.700 ± 0.173", "0.550 ± 0.071"]
    assert [entry.value for entry in line.entries[2:]] == pytest.approx([0.8, 0.7, 0.55])


def test_the_table_for_files_has_them(results):
    table = comparison(results)
    own = table[(table["metric"] == "annotated_dice") & (table["labelled"] == table["labelled"].min())]
    assert own["mean"].tolist() == pytest.approx([0.8]) and own["seeds"].tolist() == [3]


def test_without_scores_of_slices_there_are_no_rows(tmp_path):
    folder = study(tmp_path / "s", [{"recipe": "random", "seed": 0, "dice": [0.4, 0.5, 0.6]}])
    assert by_slice(collect(folder), HERE).lines == []
