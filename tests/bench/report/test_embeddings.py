"""What a report says about embeddings: the table, the warning and the line in the console, from known records."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from bench.report import write
from bench.report.runs.embeddings import lost
from bench.report.runs.results import Results, collect
from bench.report.tables.embeddings import embedding_sheets
from bench.report.tables.terminal import missing
from bench.tracking.content import metrics_of
from tests.bench.report.study_files import record, study

SETTING = ("d", "mask", "default")


def measured(patient: float, volume: float) -> dict[str, float]:
    return {
        "same_patient": patient,
        "same_volume": volume,
        "height_distance": 0.125,
        "dimension": 4.25,
        "norm_spread": 0.5,
    }


def signals(own: tuple[float, float], untrained: tuple[float, float] | None, **more: Any) -> dict[str, Any]:
    known = {"embedding": measured(*own), "pixels": measured(0.9, 0.5)}
    return {"quality": known if untrained is None else {**known, "untrained encoder": measured(*untrained)}, **more}


def made(tmp_path: Path, **recipes: list[dict[str, Any]]) -> Results:
    """A study whose recipes recorded these signals in every round of their seeds."""
    runs = [
        {"recipe": recipe, "seed": seed, "dice": [0.5, 0.6], "rounds": {"signals": each}}
        for recipe, own in recipes.items()
        for seed, each in enumerate(own)
    ]
    return collect(study(tmp_path / "s", runs))


def texts(results: Results) -> list[list[str]]:
    (sheet,) = embedding_sheets(results, SETTING)
    return [[entry.text for entry in line.entries] for line in sheet.lines]


def test_the_table_has_the_means_over_seeds_of_every_embedding(tmp_path: Path) -> None:
    results = made(
        tmp_path,
        gcl=[signals((0.9, 0.6), (0.8, 0.5)), signals((0.7, 0.4), (0.6, 0.3))],
        coreset=[signals((0.9, 0.5), None)],
        random=[{}],
    )
    rest = ["0.125", "4.2", "0.50"]
    assert texts(results) == [
        ["gcl", "embedding", "0.80", "0.50", *rest],
        ["gcl", "untrained encoder", "0.70", "0.40", *rest],
        ["gcl", "pixels", "0.90", "0.50", *rest],
        ["coreset", "embedding", "0.90", "0.50", *rest],
        ["coreset", "pixels", "0.90", "0.50", *rest],
    ]
    assert len(results.embeddings) == 2 * 3 + 2, "one row per run and embedding, not per round"
    assert lost(results.embeddings) == [] and not any("untrained" in warning for warning in results.warnings)


def test_runs_without_embeddings_have_no_table(tmp_path: Path) -> None:
    results = made(tmp_path, random=[{}, {}])
    assert embedding_sheets(results, SETTING) == [] and lost(results.embeddings) == []


def test_an_encoder_that_lost_what_an_untrained_one_knows_is_named(tmp_path: Path) -> None:
    results = made(
        tmp_path,
        gcl=[signals((0.5, 0.45), (0.9, 0.5)), signals((0.7, 0.6), (0.8, 0.5))],  # patient .60 < .85, volume .525 > .5
        ntxent=[signals((0.4, 0.2), (0.9, 0.6))] * 2,
        good=[signals((0.95, 0.7), (0.9, 0.6))] * 2,
    )
    (warning,) = [line for line in results.warnings if "untrained" in line]
    assert "gcl: same patient 0.60, untrained 0.85" in warning and "gcl: same volume" not in warning
    assert "ntxent: same patient 0.40, untrained 0.90, ntxent: same volume 0.20, untrained 0.60" in warning
    assert "good" not in warning
    assert (
        [line for line in missing(results) if "untrained" in line]
        == lost(results.embeddings)
        == [
            "encoder of gcl (d) groups slices worse than an untrained one: same patient 0.60 < 0.85",
            "encoder of ntxent (d) groups slices worse than an untrained one: same patient 0.40 < 0.90, "
            "same volume 0.20 < 0.60",
        ]
    )


def test_one_encoder_for_all_seeds_is_said(tmp_path: Path) -> None:
    def trained(*encoders: str) -> list[dict[str, Any]]:
        return [signals((0.9, 0.6), (0.8, 0.5), encoder=encoder) for encoder in encoders]

    (sheet,) = embedding_sheets(made(tmp_path / "a", gcl=trained("e", "e"), own=trained("f", "g")), SETTING)
    assert "One encoder for all seeds: gcl;" in sheet.note
    (sheet,) = embedding_sheets(made(tmp_path / "b", gcl=trained("e")), SETTING)
    assert "One encoder" not in sheet.note


def test_the_written_report_has_the_table_in_every_form(tmp_path: Path) -> None:
    made(tmp_path, gcl=[signals((0.5, 0.4), (0.8, 0.5))] * 2, random=[{}, {}])
    write(tmp_path / "s")
    report = tmp_path / "s" / "report"
    for name in ("report.html", "comparison.md"):
        text = (report / name).read_text()
        assert "What the embeddings know" in text and "groups slices worse" not in text
        assert "Trained encoders group slices worse than untrained ones" in text
    rows = list(csv.DictReader((report / "embeddings.csv").open()))
    assert [
        (row["recipe"], row["seed"], row["of"], row["same_patient"]) for row in rows if row["of"] == "embedding"
    ] == [
        ("gcl", "0", "embedding", "0.5"),
        ("gcl", "1", "embedding", "0.5"),
    ]


def test_mlflow_gets_every_measure() -> None:
    round_ = record(0, {"v1": [0.5, 0.5]}, signals=signals((0.9, 0.6), (0.8, 0.5)))
    metrics = metrics_of(round_)
    assert metrics["embedding/same_patient"] == 0.9 and metrics["embedding/dimension"] == 4.25
    assert metrics["embedding/same_volume of untrained encoder"] == pytest.approx(0.5)
    assert metrics["embedding/norm_spread of pixels"] == 0.5
    assert not any(name.startswith("embedding/") for name in metrics_of(record(0, {"v1": [0.5, 0.5]})))
