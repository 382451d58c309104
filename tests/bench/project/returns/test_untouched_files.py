"""Files that nobody changed: they never stand for the one that was drawn, and proposals are taken only knowingly."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from alseg_core.oracles.returned import Returned
from tests.bench.project.returns.rounds import truth_of

ADVICE = "its file is as it was handed out; draw on it, or say done=empty where nothing is to be seen."


def template(the_round, case):
    scan = the_round.manifest.scan(case)
    the_round.save(the_round.labels / f"{case}.nii.gz", case, np.zeros((scan.depth, *scan.size), np.uint8))


def proposals(the_round, *cases):
    """Hand out the files of cases with something on the asked slices; return it."""
    found = {}
    for case in cases:
        found[case] = the_round.draw(case, seed=5)
    np.savez(the_round.folder / "prefill.npz", **found)
    return found


def slices(taken):
    return [(one.case, one.z) for one in taken.given]


@pytest.mark.parametrize("name", ["Segmentation.nii.gz", "p01.mha"])
def test_a_template_never_stands_for_the_drawn_file(the_round, name):
    template(the_round, "p01")
    drawn = the_round.save(the_round.folder / "p01.nii.gz", "p01", truth_of(the_round.manifest, "p01"))
    drawn.rename(the_round.labels / name)
    the_round.draw("p02")
    the_round.say_all_done()
    taken = the_round.look()
    assert slices(taken) == [("p02", 0), ("p02", 2)] and taken.missing == (("p01", 1), ("p01", 3))
    assert len(taken.problems) == 2 and name in taken.problems[0]
    assert taken.problems[1] == f"p01: slices 1, 3 are said to be done, and {ADVICE}"


@pytest.mark.parametrize("word", ["empty", "EMPTY", "leer"])
def test_empty_is_taken_as_background(the_round, word):
    template(the_round, "p01")
    the_round.say(f"case,index,done\np01,1,{word}\np01,3,yes\n")
    taken = the_round.look()
    assert slices(taken) == [("p01", 1)] and not taken.given[0].labels.any()
    assert taken.notes == ()  # it was said, so nobody needs a warning
    assert taken.problems == (f"p01: slice 3 is said to be done, and {ADVICE}",)


def test_empty_against_labels(the_round):
    the_round.draw("p01")
    the_round.say("case,index,done\np01,1,empty\np01,3,yes\n")
    taken = the_round.look()
    assert slices(taken) == [("p01", 3)]
    assert "slice 1 said to be empty, and there are labels; left open. Erase them, or say yes." in taken.problems[0]


def test_an_empty_slice_of_a_drawn_file_is_background(the_round):
    the_round.draw("p01", [1])
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert slices(taken) == [("p01", 1), ("p01", 3)] and taken.problems == ()
    assert taken.notes == ("1 slice taken as done, and everything there is background: p01 3",)


def test_scribbles_are_not_said_to_be_empty(make_round):
    the_round = make_round("scribble")
    template(the_round, "p01")  # 0 is "not marked" there; the values are written as they are
    the_round.say_all_done(cases=("p01",))
    (problem,) = the_round.look().problems
    assert problem.endswith("its file is as it was handed out; draw on it.")


def test_proposals_are_taken_where_somebody_says_so_and_are_told(the_round):
    handed_out = proposals(the_round, "p01", "p02")
    the_round.say_all_done(cases=("p01",))
    changed = handed_out["p01"].copy()
    changed[1] = truth_of(the_round.manifest, "p01")[1]
    the_round.save(the_round.labels / "p01.nii.gz", "p01", changed)
    taken = the_round.look()
    assert [(one.z, one.as_proposed) for one in taken.given] == [(1, False), (3, True)]
    assert taken.notes[0] == "1 slice exactly as the network proposed: p01 3"


def test_all_takes_only_changed_slices_of_proposals(the_round):
    handed_out = proposals(the_round, "p01", "p02")
    changed = handed_out["p01"].copy()
    changed[1, 2, 2] = (changed[1, 2, 2] + 1) % 4
    the_round.save(the_round.labels / "p01.nii.gz", "p01", changed)
    taken = the_round.look(done="all")
    assert [(one.case, one.z, one.as_proposed) for one in taken.given] == [("p01", 1, False)]


def test_proposals_do_not_stand_for_a_file_of_unknown_case(the_round):
    proposals(the_round, "p01")
    the_round.draw("p01", folder=the_round.folder)
    (the_round.folder / "p01.nii.gz").rename(the_round.labels / "Segmentation.nii.gz")
    the_round.say_all_done(cases=("p01",))
    taken = the_round.look()
    assert taken.given == ()
    assert "but segmentations/Segmentation.nii.gz may be what was drawn; name it after its case" in taken.problems[1]


def test_all_leaves_files_that_were_changed_on_other_slices_alone(the_round):
    """Files of another round: what they show is not what is asked."""
    the_round.draw("p01", [0, 2])
    taken = the_round.look(done="all")
    assert taken.given == () and any("no asked slice is changed" in note for note in taken.notes)


def test_a_stray_voxel_on_another_slice_is_no_label(the_round):
    labels = the_round.draw("p01")
    labels[0, 3, 3] = 1
    the_round.save(the_round.labels / "p01.nii.gz", "p01", labels)
    the_round.say_all_done(cases=("p01",))
    assert slices(the_round.look(keep_others=True)) == [("p01", 1), ("p01", 3)]
    the_round.say("case,index\np01,0\n", "done_more.csv")
    assert slices(the_round.look(keep_others=True)) == [("p01", 0), ("p01", 1), ("p01", 3)]


def test_notes_of_one_kind_are_one_line_and_background_comes_first(the_round):
    the_round.draw("p01", [0, 1])
    the_round.draw("p02", [0, 1])
    the_round.say_all_done()
    notes = the_round.look().notes
    assert notes == (
        "2 slices taken as done, and everything there is background: p01 3; p02 2",
        "2 slices edited, which nobody asked for, and left out; --keep-others takes those that are said to be done: "
        "p01 0; p02 3",
    )


def test_a_list_of_an_older_version_is_read_and_goes_on(the_round, tmp_path):
    """Its lines do not say whether a slice is as proposed; their checksums are those of what they say."""
    proposals(the_round, "p01")
    the_round.say_all_done(cases=("p01",))
    kept = Returned(tmp_path / "labels")
    first, second = the_round.look().given
    kept.add([replace(first, as_proposed=False)])
    path = kept.folder / "labels.jsonl"
    line = json.loads(path.read_text())
    del line["as_proposed"], line["check"]
    check = hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()[:32]
    path.write_text(json.dumps({**line, "check": check}) + "\n")
    assert [entry.as_proposed for entry in kept.history()] == [False]
    kept.add([second])
    assert [(entry.z, entry.as_proposed) for entry in kept.history()] == [(1, False), (3, True)]
    assert kept.notes() == []
