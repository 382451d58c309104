"""What a bundle holds, and what it leaves out."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from bench.bundle.archive import unpacked
from bench.bundle.check import check
from bench.bundle.fingerprint import fingerprint_of, note_of
from bench.bundle.pack import pack
from bench.bundle.private import CASE, PATH, pseudonym, without_paths
from bench.cli import main
from bench.report import collect
from bench.study import Study
from tests.bench.bundle.conftest import SETTINGS, finished_study
from tests.bench.bundle.test_forgeries import problems


def texts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_honest_bundle_passes_and_says_that_rounds_were_made_again(honest: Path) -> None:
    verdict = check(honest, strict=True, replay=2)
    found = problems(verdict)
    assert set(found) <= {"strict: committed code"}, found  # the tests may run on uncommitted changes
    assert any("2 rounds made again with the same picks" in finding.text for finding in verdict.found["replay"])


def test_a_study_that_scores_validation_volumes_passes(tmp_path: Path) -> None:
    """Its pictures read validation masks, which nobody else but the training and the evaluation may."""
    study = finished_study(tmp_path, [*SETTINGS, "recipes=random", "seeds=1", "evaluate.part=val"])
    (run,) = (study / "runs").iterdir()
    ledger = RunFolder(run).records()[-1].ledger
    assert ("pictures", "validation masks") in {(entry["who"], entry["what"]) for entry in ledger}
    assert problems(check(pack(study, tmp_path / "val.alseg.zip").path)) == {}


def test_what_the_trials_of_a_tuning_looked_at_is_packed_and_checked(honest_study: Path, tmp_path: Path) -> None:
    """Trials score validation volumes; a trial that scores test volumes is found."""
    settings = [*SETTINGS, "recipes=random", "seeds=1"]
    trial = finished_study(tmp_path, [*settings, "evaluate.part=val"])
    tuned = tmp_path / "tune-a-tiny"
    (tuned / "trials").mkdir(parents=True)
    trial.rename(tuned / "trials" / "0")
    fair = pack(honest_study, tmp_path / "fair.alseg.zip", tunings=[tuned])
    (told,) = json.loads(texts(fair.path)["bundle.json"])["tunings"]
    assert (told["name"], told["trials"], told["runs"], told["sealed"]) == ("tune-a-tiny", 1, 1, 1)
    assert {entry["what"] for entry in told["read"]} == {"training labels", "validation masks"}
    assert all(name.startswith(CASE) for name in told["scored"] + told["annotated"])
    assert problems(check(fair.path)) == {}
    shutil.copytree(honest_study, tuned / "trials" / "1")
    unfair = problems(check(pack(honest_study, tmp_path / "unfair.alseg.zip", tunings=[tuned]).path))
    assert "of the volumes that the bundle is tested on" in unfair["what tuning looked at"]
    assert "6 of 7 runs could read test labels" in unfair["what tuning looked at"]


def test_same_runs_give_the_same_bytes(honest: Path, honest_study: Path, tmp_path: Path) -> None:
    again = pack(honest_study, tmp_path / "again.alseg.zip", tunings=[])
    assert again.path.read_bytes() == honest.read_bytes()
    assert (again.runs, again.rounds, again.bytes) == (6, 12, honest.stat().st_size)


def test_neither_names_nor_folders_nor_arrays_are_packed(honest: Path, honest_study: Path) -> None:
    members = texts(honest)
    assert all(name.endswith((".json", ".jsonl")) for name in members)
    for name, text in members.items():
        assert "phantom0" not in text and "_ED" not in text, name
        assert str(honest_study.parent.parent) not in text and str(Path.home()) not in text, name
    assert f"--out {PATH}runs" in members["study.json"]


def test_names_are_shown_where_asked_for(honest_study: Path, tmp_path: Path) -> None:
    shown = pack(honest_study, tmp_path / "shown.alseg.zip", names=True, tunings=[])
    assert "phantom001_ED" in "".join(texts(shown.path).values())
    assert problems(check(shown.path)) == {}


def test_everything_a_round_leaves_is_kept(honest: Path, honest_study: Path) -> None:
    with unpacked(honest) as folder:
        for place in sorted((honest_study / "runs").iterdir()):
            for ours, theirs in zip(
                RunFolder(folder / "runs" / place.name).records(), RunFolder(place).records(), strict=True
            ):
                assert (
                    ours.summary == theirs.summary and ours.ledger == theirs.ledger and ours.seconds == theirs.seconds
                )
                assert [(pick["case"], pick["z"], pick["score"]) for pick in ours.selected] == [
                    (pseudonym(str(pick["case"]), CASE), pick["z"], pick["score"]) for pick in theirs.selected
                ]
                assert [row["dice"] for row in ours.volumes] == [row["dice"] for row in theirs.volumes]


def test_unpacked_bundle_is_a_study_that_a_report_reads(honest: Path, honest_study: Path) -> None:
    with unpacked(honest) as folder:
        ours, theirs = collect(folder), collect(honest_study)
    assert ours.problems == [] and ours.scores.equals(theirs.scores)


def test_diff_finds_no_difference_between_a_bundle_and_its_folder(honest: Path, honest_study: Path) -> None:
    result = CliRunner().invoke(main, ["diff", str(honest), str(honest_study)], catch_exceptions=False)
    assert result.exit_code == 0 and "what differs" not in result.output
    assert "Same picks in 6 of 6 runs; largest difference in Dice 0.000." in result.output


def test_failures_are_declared_without_names_or_folders(honest_study: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    index = json.loads((honest_study / "study.json").read_text())
    first, second, *_ = (entry["key"] for entry in index["runs"])
    for key in (first, second):
        for file in (honest_study / "runs" / key).glob("*.json*"):
            (study / "runs" / key).mkdir(parents=True, exist_ok=True)
            (study / "runs" / key / file.name).write_bytes(file.read_bytes())
    (study / "study.json").write_text(json.dumps({**index, "runs": index["runs"][:2]}))
    lines = (study / "runs" / second / "rounds.jsonl").read_text().splitlines(keepends=True)
    (study / "runs" / second / "rounds.jsonl").write_text(lines[0])
    RunFolder(study / "runs" / second).fail(f"no mask in phantom001_ED of {tmp_path}/scans", "trace of /home/me")
    packed = pack(study, tmp_path / "failed.alseg.zip")
    reason = json.loads(texts(packed.path)[f"runs/{second}/failure.json"])
    assert reason == {"reason": f"no mask in {pseudonym('phantom001_ED', CASE)} of {PATH}scans"}
    assert "nothing is said about tuning" in packed.remarks[-1]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/home/me/data/acdc", "PATH/acdc"),
        ("cannot read /mnt/x/a.nii.gz: full", "cannot read PATH/a.nii.gz: full"),
        (r"C:\Users\me\scans", "PATH/scans"),
        ("--out ~/runs --set data=/d/acdc", "--out PATH/runs --set data=PATH/acdc"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("train/val and 1/2", "train/val and 1/2"),
    ],
)
def test_folders_of_paths_are_left_out(text: str, kept: str) -> None:
    assert without_paths(text) == kept


@pytest.mark.parametrize("recipe", ["random", "random_in_3d"])
def test_fingerprints_can_be_made_again_in_2d_and_3d(recipe: str) -> None:
    """Trainings of volumes have a format of their own, which a configuration does not show."""
    config = next(run for run in Study.find("sparse_3d", ["data=/scans"]).runs() if run.recipe.name == recipe)
    note = note_of(config.describe(), config.fingerprint, {})
    assert note.formats is not None and fingerprint_of(config.describe(), note) == config.fingerprint


def test_folder_without_a_study_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="study.json is missing"):
        pack(tmp_path, tmp_path / "none.alseg.zip")


def test_commands_tell_what_was_packed_and_end_with_0_or_1(honest_study: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.alseg.zip"
    packed = CliRunner().invoke(main, ["bundle", "pack", str(honest_study), "-o", str(target)], catch_exceptions=False)
    assert packed.exit_code == 0 and "6 runs, 12 rounds" in packed.output
    assert packed.output.rstrip().endswith(f"alseg bundle check {target} --strict")
    passed = CliRunner().invoke(main, ["bundle", "check", str(target)], catch_exceptions=False)
    assert passed.exit_code == 0 and passed.output.endswith("small.alseg.zip: passed\n")
    strict = CliRunner().invoke(main, ["bundle", "check", str(target), "--strict", "--json"], catch_exceptions=False)
    content = json.loads(strict.output)
    assert strict.exit_code == 1 and not content["passed"]
    assert content["checks"]["strict: tuning declared"]["problems"]


def test_what_was_chosen_by_hand_is_declared_in_words(honest_study: Path, tmp_path: Path) -> None:
    target = tmp_path / "hand.alseg.zip"
    command = ["bundle", "pack", str(honest_study), "-o", str(target), "--by-hand"]
    told = CliRunner().invoke(main, [*command, f"lr by the validation Dice of phantom001, notes in {tmp_path}/notes"])
    assert told.exit_code == 0 and "nothing is said" not in told.output
    words = json.loads(texts(target)["bundle.json"])["by_hand"]
    assert words.startswith("lr by the validation Dice of ") and words.endswith(f"notes in {PATH}notes")
    assert str(tmp_path) not in words
    assert check(target, strict=True).plain()["checks"]["strict: tuning declared"]["passed"]
    for words in (" ", "x" * 2001):
        refused = CliRunner().invoke(main, [*command, words])
        assert refused.exit_code == 2 and "--by-hand wants 1 to 2000 characters" in refused.output


@pytest.mark.slow
def test_report_reads_a_bundle_beside_a_folder_and_asks_where_to_write(
    honest: Path, honest_study: Path, tmp_path: Path
) -> None:
    alone = CliRunner().invoke(main, ["report", str(honest)], catch_exceptions=False)
    assert alone.exit_code == 2 and "choose a folder for its report with --out FOLDER" in alone.output
    command = ["report", str(honest), str(honest_study), "--out", str(tmp_path / "both")]
    both = CliRunner().invoke(main, command, catch_exceptions=False)
    assert both.exit_code == 0 and (tmp_path / "both" / "report.html").is_file()
