"""Which slices are taken: asked or not, of one annotator or several, and whose file is whose."""

from __future__ import annotations

import shutil
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from alseg_core.errors import ConfigError, DataError, ResultsError
from alseg_core.oracles.returned import Returned
from bench.project.returns.taken import read_returns
from tests.bench.project.returns.rounds import Round, truth_of


def slices(taken):
    return [(one.case, one.z) for one in taken.given]


def test_everything_done(the_round):
    truth = {case: the_round.draw(case) for case in ("p01", "p02")}
    the_round.say_all_done()
    taken = the_round.look()
    assert slices(taken) == [("p01", 1), ("p01", 3), ("p02", 0), ("p02", 2)]
    assert (taken.missing, taken.problems, taken.notes) == ((), (), ())
    for one in taken.given:
        np.testing.assert_array_equal(one.labels, truth[one.case][one.z])


def test_what_is_taken_can_be_kept(the_round, tmp_path):
    truth = the_round.draw("p01")
    the_round.say_all_done(cases=("p01",))
    kept = Returned(tmp_path / "labels")
    assert len(kept.add(the_round.look().given)) == 2
    np.testing.assert_array_equal(kept.labels([("p01", 3)])[0], truth[3])
    assert kept.add(the_round.look().given) == []


def test_nothing_is_written(the_round):
    the_round.draw("p01")
    the_round.say_all_done()
    before = {path: path.read_bytes() for path in the_round.folder.rglob("*") if path.is_file()}
    the_round.look()
    assert {path: path.read_bytes() for path in the_round.folder.rglob("*") if path.is_file()} == before


def test_all_takes_the_asked_slices_of_changed_files(the_round):
    the_round.draw("p01", [1])
    the_round.save(the_round.labels / "p02.nii.gz", "p02", np.zeros((5, 6, 8), np.uint8))
    taken = the_round.look(done="all")
    assert slices(taken) == [("p01", 1), ("p01", 3)]
    assert taken.notes[0] == "1 slice taken as done, and everything there is background: p01 3"
    assert "p02.nii.gz: no asked slice is changed, so it does not count" in taken.notes[1]
    the_round.say("case,index,done\np02,4,empty\np02,2,empty\n")  # said so, it counts
    assert slices(the_round.look(done="all")) == [("p01", 1), ("p01", 3), ("p02", 0), ("p02", 2)]


def test_scribbles_without_a_mark_stay_open(make_round):
    the_round = make_round("scribble")
    scan = the_round.manifest.scan("p01")
    values = np.zeros((scan.depth, *scan.size), np.uint8)
    values[1, 2, 2:5] = 4
    the_round.save(the_round.labels / "p01.nii.gz", "p01", values)
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert slices(taken) == [("p01", 1)] and ("p01", 3) in taken.missing
    assert "slice 3 taken as done, and nothing is marked there" in taken.problems[0]
    assert np.unique(taken.given[0].labels).tolist() == [0, 255]


def test_slices_that_nobody_asked_for(the_round):
    truth = the_round.draw("p01", [1, 2, 3, 4])
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert slices(taken) == [("p01", 1), ("p01", 3)]
    assert taken.notes == (
        "2 slices edited, which nobody asked for, and left out; --keep-others takes those that are said to be done: "
        "p01 2, 4",
    )
    assert slices(the_round.look(keep_others=True)) == [("p01", 1), ("p01", 3)]
    the_round.say("case,index\np01,1\np01,2\np01,3\np01,4\n")
    taken = the_round.look(keep_others=True)
    assert [(one.z, one.round) for one in taken.given] == [(1, 1), (2, None), (3, 1), (4, None)]
    np.testing.assert_array_equal(taken.given[3].labels, truth[4])


def test_labels_that_were_handed_out_are_no_edits(the_round):
    truth = the_round.draw("p01", [0, 1, 2, 3, 4])
    handed_out = truth.copy()
    handed_out[3] = 0
    np.savez(the_round.folder / "prefill.npz", p01=handed_out)
    taken = the_round.look(keep_others=True)
    assert taken.given == ()
    assert taken.notes == ("1 slice drawn on and not said to be done; left open: p01 3",)
    the_round.say_all_done(cases=("p01",))
    assert slices(the_round.look(keep_others=True)) == [("p01", 1), ("p01", 3)]


def test_a_record_of_what_was_handed_out_that_is_damaged(the_round):
    the_round.draw("p01")
    np.savez(the_round.folder / "prefill.npz", p01=np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(ResultsError, match=r"p01 has shape \(2, 2, 2\) instead of \(5, 6, 7\)"):
        the_round.look()
    (the_round.folder / "prefill.npz").write_bytes(b"PK")
    with pytest.raises(ResultsError, match="prefill.npz cannot be read"):
        the_round.look()


def two_annotators(the_round, tmp_path, same=False):
    files = tmp_path / "returned"
    for name, seed in (("anna", 0), ("bert", 0 if same else 1)):
        the_round.draw("p01", folder=files / name, seed=seed)
        the_round.say_all_done(files / name, ("p01",))
    the_round.draw("p02", folder=files / "bert" / "segmentations")
    the_round.say("case,index,minutes\np02,4,3\np02,2,5\n", "done.csv", files / "bert" / "more")
    return files


def test_annotators_who_agree(the_round, tmp_path):
    files = two_annotators(the_round, tmp_path, same=True)
    taken = the_round.look(files)
    assert taken.problems == () and taken.missing == ()
    assert [one.annotator for one in taken.given] == ["anna+bert", "anna+bert", "bert", "bert"]
    assert [one.minutes for one in taken.given] == [None, None, 3.0, 5.0]


def dice(first, second):
    """Mean Dice of the foreground classes, from its formula."""
    scores = []
    for number in (1, 2, 3):
        a, b = first == number, second == number
        if a.any() or b.any():
            scores.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return np.mean(scores)


def test_annotators_who_differ(the_round, tmp_path):
    files = two_annotators(the_round, tmp_path)
    taken = the_round.look(files)
    assert slices(taken) == [("p02", 0), ("p02", 2)]
    assert taken.missing == (("p01", 1), ("p01", 3))
    first, second = (truth_of(the_round.manifest, "p01", seed) for seed in (0, 1))
    scores = ", ".join(f"{z}: Dice {dice(first[z], second[z]):.2f}" for z in (1, 3))
    assert taken.problems == (
        f"p01, slices 1, 3: anna and bert differ ({scores}); neither is taken. Let them agree, or choose one with "
        "--annotator NAME.",
    )
    chosen = the_round.look(files, annotator="Bert")
    assert chosen.problems == () and chosen.missing == ()
    np.testing.assert_array_equal(chosen.given[0].labels, second[1])
    assert {one.annotator for one in chosen.given} == {"bert"}
    assert chosen.notes == ("annotators differ, and that of Bert is taken: p01 1, 3",)


def test_an_annotator_who_gave_nothing(the_round, tmp_path):
    files = two_annotators(the_round, tmp_path)
    with pytest.raises(ConfigError, match="nothing of the annotator 'carl'; there are anna, bert"):
        the_round.look(files, annotator="carl")
    the_round.say("case,index,annotator\np01,1,carl\n", folder=files)
    assert any(
        line == "done.csv, line 2: there is no file of the annotator 'carl'; there are anna, bert."
        for line in the_round.look(files).problems
    )


def test_the_name_of_the_one_annotator(the_round):
    the_round.draw("p01")
    the_round.say_all_done(cases=("p01",))
    assert {one.annotator for one in the_round.look(annotator="anna").given} == {"anna"}


def test_annotators_who_share_a_scan_and_one_table(the_round, tmp_path):
    """Who left a slice as it was handed out gives way to who drew on it, unless a mark names the first."""
    files = tmp_path / "returned"
    truth = the_round.draw("p01", [1], files / "anna" / "round_01" / "segmentations")
    the_round.draw("p01", [3], files / "bert" / "round_01" / "segmentations")
    the_round.say_all_done(files, ("p01",))
    taken = the_round.look(files)
    assert taken.problems == ()
    assert [(one.z, one.annotator) for one in taken.given] == [(1, "anna"), (3, "bert")]
    np.testing.assert_array_equal(taken.given[0].labels, truth[1])
    the_round.say("case,index,annotator\np01,3,anna\np01,3,bert\np01,1,anna\n", folder=files)
    taken = the_round.look(files)
    assert [one.z for one in taken.given] == [1] and "anna and bert differ (3: Dice 0.00)" in taken.problems[0]


def test_a_template_gives_way_to_the_file_that_was_drawn(the_round):
    the_round.save(the_round.labels / "p01.nii.gz", "p01", np.zeros((5, 6, 7), np.uint8))
    truth = the_round.draw("p01", folder=the_round.folder / "mitk")
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == () and slices(taken) == [("p01", 1), ("p01", 3)]
    np.testing.assert_array_equal(taken.given[0].labels, truth[1])
    assert "segmentations/p01.nii.gz: no changes; set aside" in taken.notes[0]


def test_templates_give_way_to_the_files_of_annotators(the_round):
    the_round.save(the_round.labels / "p01.nii.gz", "p01", np.zeros((5, 6, 7), np.uint8))
    truth = the_round.draw("p01", folder=the_round.folder / "returned" / "anna")
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == ()
    assert [(one.z, one.annotator) for one in taken.given] == [(1, "anna"), (3, "anna")]
    np.testing.assert_array_equal(taken.given[1].labels, truth[3])


def test_a_single_file(the_round, tmp_path):
    the_round.draw("p01", folder=tmp_path / "mail")
    the_round.say_all_done(cases=("p01",))  # in the folder of the round
    taken = the_round.look(tmp_path / "mail" / "p01.nii.gz")
    assert taken.problems == () and slices(taken) == [("p01", 1), ("p01", 3)]


def test_a_table_beside_a_single_file(the_round, tmp_path):
    the_round.draw("p01", folder=tmp_path / "mail")
    the_round.say_all_done(tmp_path / "mail", cases=("p01",))
    assert slices(the_round.look(tmp_path / "mail" / "p01.nii.gz")) == [("p01", 1), ("p01", 3)]


def test_a_copy_of_the_folder(the_round, tmp_path):
    the_round.draw("p01")
    the_round.say_all_done(cases=("p01",))
    copy = shutil.copytree(the_round.folder, tmp_path / "back" / "round_01")
    shutil.rmtree(the_round.folder)
    taken = the_round.look(copy.parent)
    assert slices(taken) == [("p01", 1), ("p01", 3)] and {one.annotator for one in taken.given} == {""}


@pytest.mark.parametrize(
    "name",
    [
        "p01.nii",
        "P01.nii.gz",
        "p01_seg.nii.gz",
        "p01-label.nii.gz",
        "p01 Segmentation.nii.gz",
        "p01 (1).nii.gz",
        "Segmentation_p01.nii.gz",
        "p01/Segmentation.nii.gz",
        "p01/labels/seg (2).nii.gz",
    ],
)
def test_names_of_files(the_round, name):
    path = the_round.labels / name
    truth = truth_of(the_round.manifest, "p01")
    the_round.save(path, "p01", truth)
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.problems == () and slices(taken) == [("p01", 1), ("p01", 3)]
    assert {one.annotator for one in taken.given} == {""}


def test_names_with_blanks_and_accents_however_they_are_written(the_round):
    manifest = the_round.manifest
    case = "Ångström 1"
    scans = (replace(manifest.scans[0], case=case), manifest.scans[1])
    slices_ = tuple(replace(one, case=case) if one.case == "p01" else one for one in manifest.slices)
    other = Round(replace(manifest, scans=scans, slices=slices_), the_round.folder)
    other.save(
        other.labels / (unicodedata.normalize("NFD", case) + "_seg.nii.gz"), case, truth_of(other.manifest, case)
    )
    other.say_all_done(cases=(case,))
    taken = other.look()
    assert taken.problems == () and slices(taken) == [(case, 1), (case, 3)]


def test_a_name_that_fits_two_cases(the_round):
    manifest = the_round.manifest
    renamed = {"p01": "p01", "p02": "p01_seg"}
    scans = tuple(replace(scan, case=renamed[scan.case]) for scan in manifest.scans)
    asked = tuple(replace(one, case=renamed[one.case]) for one in manifest.slices)
    other = Round(replace(manifest, scans=scans, slices=asked), the_round.folder)
    other.draw("p01")
    other.draw("p01_seg")  # its own name, whatever else it could mean
    shutil.copy(other.labels / "p01.nii.gz", other.labels / "p01_seg_label.nii.gz")
    other.say_all_done(cases=("p01", "p01_seg"))
    taken = other.look()
    assert len(taken.given) == 4
    assert taken.problems == (
        "segmentations/p01_seg_label.nii.gz: its name could be that of p01 or p01_seg; name it after one of them.",
    )


def test_a_scan_whose_header_knows_no_position(the_round):
    """What a program makes of such a header differs; the voxels are in one order all the same."""
    plain = replace(the_round.manifest.scans[0], affine=None, spacing_mm=(0.8, 1.1, 3.0))
    other = Round(replace(the_round.manifest, scans=(plain, the_round.manifest.scans[1])), the_round.folder)
    truth = truth_of(other.manifest, "p01")
    other.save(other.labels / "p01.nii.gz", "p01", truth, np.diag([-0.8, -1.1, 3.0, 1.0]))
    other.say_all_done(cases=("p01",))
    taken = other.look()
    assert taken.problems == ()
    np.testing.assert_array_equal(taken.given[0].labels, truth[1])


def test_folders_without_anything(the_round, tmp_path):
    taken = the_round.look()
    assert taken.given == () and len(taken.missing) == 4
    assert "holds no label files; they are named after their cases, such as p01.nii.gz" in taken.problems[0]
    with pytest.raises(DataError, match="nowhere does not exist"):
        the_round.look(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"times.csv does not exist"):
        the_round.look(times=tmp_path / "times.csv")
    with pytest.raises(ConfigError, match="done must be 'marked' or 'all', got 'some'"):
        the_round.look(done="some")


def test_lines_show_no_control_characters(the_round):
    (the_round.labels / "p09\x1b[31m\n.nii.gz").write_bytes(b"x")
    (line,) = the_round.look().problems
    assert line.isprintable()


def test_files_saved_just_now_are_taken(the_round):
    the_round.draw("p01")
    the_round.say_all_done(cases=("p01",))
    taken = read_returns(the_round.manifest, the_round.folder, the_round.folder)
    assert slices(taken) == [("p01", 1), ("p01", 3)] and taken.problems == ()
