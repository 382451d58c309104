"""What annotators say is done: tables as people and Excel save them, and points of 3D Slicer."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import SimpleITK as sitk

WORKLIST = "rank,case,patient,z,axis,index,plane,why,score,estimated_minutes,done,minutes,annotator\n"


def rows(the_round, done=("yes",) * 4, minutes=("",) * 4, annotator=""):
    """The work list as it is written, with the last columns filled in."""
    text = WORKLIST
    for asked, said, time in zip(the_round.manifest.slices, done, minutes, strict=True):
        axis = "ijk"[the_round.manifest.scan(asked.case).axes.order[0]]
        index = the_round.index(asked.case, asked.z)
        text += f"{asked.rank},{asked.case},{asked.case},{asked.z},{axis},{index},,uncertain,0.5,2,"
        text += f"{said},{time},{annotator}\n"
    return text


def slices(taken):
    return [(one.case, one.z) for one in taken.given]


def both(the_round):
    the_round.draw("p01")
    the_round.draw("p02")


@pytest.mark.parametrize("word", ["yes", "X", "1", "true", "ja", "Oui", "done", " y "])
def test_words_for_done(the_round, word):
    both(the_round)
    the_round.say(rows(the_round, (word, "", "no", word)), "worklist.csv")
    taken = the_round.look()
    assert taken.problems == ()
    assert slices(taken) == [("p01", 1), ("p02", 2)]
    assert taken.missing == (("p01", 3), ("p02", 0))


def test_pixels_alone_do_not_count_as_done(the_round):
    both(the_round)
    taken = the_round.look()
    assert taken.given == () and len(taken.missing) == 4 and taken.problems == ()
    assert taken.notes == ("4 slices drawn on and not said to be done; left open: p01 1, 3; p02 2, 4",)


def test_slices_are_numbered_along_the_stored_axis(the_round):
    """Slices of p02 run against its first stored axis of 5: index 4 is slice 0."""
    the_round.draw("p02", [0])
    the_round.say("case,index\np02,4\n")
    assert slices(the_round.look()) == [("p02", 0)]


@pytest.mark.parametrize(("column", "number"), [("index", 4), ("itksnap_slice", 5), ("mitk_slice", 4)])
def test_each_program_counts_in_a_column_of_its_own(the_round, column, number):
    the_round.draw("p02", [0])
    the_round.say(f"case,{column}\np02,{number}\n")
    taken = the_round.look()
    assert taken.problems == () and slices(taken) == [("p02", 0)]


def test_a_column_that_does_not_say_how_it_counts_is_refused(the_round):
    the_round.draw("p02", [0, 2])
    the_round.say("case,slice\np02,4\n")
    taken = the_round.look()
    assert taken.given == ()
    assert taken.problems[0] == (
        "done.csv: it needs the columns case and one of index (from 0), itksnap_slice (from 1) and mitk_slice (from "
        "0); its columns are case, slice. slice alone does not say how it counts."
    )


def test_index_goes_before_slice(the_round):
    the_round.draw("p02", [0])
    the_round.say("case,slice,index\np02,99,4\n")
    assert slices(the_round.look()) == [("p02", 0)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_tables_as_excel_saves_them(the_round, mark, encoding):
    both(the_round)
    minutes = "2,5" if mark == ";" else "2.5"
    line = mark.join
    lines = [line(["Case", "INDEX", "Done", "Minutes", "Annotator"]), line(["p01", "1.0", "x", minutes, "Jérôme"]), ""]
    (the_round.folder / "done.csv").write_bytes("\r\n".join([*lines, mark * 4, ""]).encode(encoding))
    taken = the_round.look()
    assert taken.problems == ()
    (one,) = taken.given
    assert (one.case, one.z, one.minutes, one.annotator) == ("p01", 1, 2.5, "Jérôme")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,index\np01,1\np09,1\n", "done.csv, line 3: there is no case 'p09' in this round; there are p01, p02."),
        ("case,index\np01,1\np01,77\n", "done.csv, line 3: there is no slice '77' in p01; index counts from 0 to 4."),
        ("case,index\np01,1\np01,-1\n", "there is no slice '-1' in p01"),
        ("case,index\np01,1\np01,two\n", "there is no slice 'two' in p01"),
        ("case,index\np01,1\np01,\n", "it tells no slice of p01"),
        ("case,index\np01,1\np01,1.5\n", "there is no slice '1.5' in p01"),
        ("case,index\np01,1\np01,2\n", "line 3: slice 2 of p01 is not one of those asked for (slices 1, 3)"),
        ("case,itksnap_slice\np01,2\np01,0\n", "there is no slice '0' in p01; itksnap_slice counts from 1 to 5."),
        ("case,mitk_slice\np01,1\np01,5\n", "there is no slice '5' in p01; mitk_slice counts from 0 to 4."),
        ("case,index,itksnap_slice\np01,1,2\np01,3,3\n", "index 3 and itksnap_slice 3 are not the same slice of p01."),
        ("case,index,done\np01,1,yes\np01,3,maybe\n", "line 3: done must be yes, no or empty, got 'maybe'."),
        ("case,index,minutes\np01,1,\np01,3,fast\n", "minutes must be a number from 0 to 1440, got 'fast'."),
        ("case,index,minutes\np01,1,\np01,3,-3\n", "minutes must be a number"),
        ("case,index,minutes\np01,1,\np01,3,nan\n", "minutes must be a number"),
        ("case,index,minutes\np01,1,\np01,3,1e9\n", "minutes must be a number"),
        ("case,index,axis\np01,1,k\np01,3,i\n", "axis 'i' is not that of the slices of p01, which is k."),
    ],
)
def test_a_row_that_is_wrong(the_round, text, words):
    both(the_round)
    the_round.say(text)
    taken = the_round.look()
    assert len(taken.problems) == 1 and words in taken.problems[0]
    assert slices(taken) == [("p01", 1)]


@pytest.mark.parametrize("text", ["", "file,number\na,1\n", "case\np01\n"])
def test_a_table_without_its_columns(the_round, text):
    both(the_round)
    the_round.say(text)
    taken = the_round.look()
    assert len(taken.problems) == 1
    assert "done.csv: it needs the columns case and one of index (from 0), itksnap_slice (from 1)" in taken.problems[0]


def test_done_without_a_file(the_round):
    the_round.draw("p01")
    the_round.say_all_done()
    taken = the_round.look()
    assert slices(taken) == [("p01", 1), ("p01", 3)]
    assert taken.problems == ("p02: slices 2, 4 said to be done, and there is no file for p02.",)


def test_minutes_and_annotator_of_the_work_list(the_round):
    both(the_round)
    the_round.say(rows(the_round, minutes=("3", "4.5", "", "0"), annotator="anna"), "worklist.csv")
    taken = the_round.look()
    assert [one.minutes for one in taken.given] == [3.0, 4.5, None, 0.0]
    assert {one.annotator for one in taken.given} == {"anna"}
    assert len({one.sha256 for one in taken.given}) == 2


def test_times_in_a_file_of_their_own(the_round, tmp_path):
    both(the_round)
    the_round.say(rows(the_round, minutes=("3", "4", "", "")), "worklist.csv")
    times = the_round.say("case,index,minutes\np01,1,7\np02,4,9\np02,2,never\n", "times.csv", tmp_path)
    taken = the_round.look(times=times)
    assert {(one.case, one.z): one.minutes for one in taken.given} == {
        ("p01", 1): 7.0,
        ("p01", 3): 4.0,
        ("p02", 0): 9.0,
        ("p02", 2): None,
    }
    assert taken.problems == ("times.csv, line 4: minutes must be a number from 0 to 1440, got 'never'.",)


def test_times_alone_do_not_make_a_slice_done(the_round, tmp_path):
    both(the_round)
    times = the_round.say("case,index,minutes\np01,1,7\n", "done_times.csv", tmp_path)
    assert the_round.look(times=times).given == ()


def test_the_checksum_is_that_of_the_file(the_round):
    both(the_round)
    the_round.say_all_done()
    first = the_round.look().given[0]
    content = (the_round.labels / "p01.nii.gz").read_bytes()
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    assert first.source == "segmentations/p01.nii.gz"


def centre(scan, index):
    """Position (left, posterior, superior) of the centre of a slice, by SimpleITK."""
    affine = np.diag([-1.0, -1, 1, 1]) @ np.array(scan.affine)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.Image(list(scan.shape), sitk.sitkUInt8)
    image.SetSpacing(steps.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    voxel = [(length - 1) / 2 for length in scan.shape]
    voxel[scan.axes.order[0]] = index
    return list(image.TransformContinuousIndexToPhysicalPoint(voxel))


def point_list(folder, case, points, system="LPS"):
    controls = [
        {"id": str(n), "label": label, "description": text, "position": position, "positionStatus": "defined"}
        for n, (label, text, position) in enumerate(points)
    ]
    content = {"markups": [{"type": "Fiducial", "coordinateSystem": system, "controlPoints": controls}]}
    (folder / "slicer").mkdir(exist_ok=True)
    (folder / "slicer" / f"{case}.mrk.json").write_text(json.dumps(content))


@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_points_that_say_done(the_round, system):
    both(the_round)
    sign = np.array([1, 1, 1] if system == "LPS" else [-1, -1, 1])
    for case, indices in (("p01", (1, 3)), ("p02", (4, 2))):
        scan = the_round.manifest.scan(case)
        first, second = ((np.array(centre(scan, index)) * sign).tolist() for index in indices)
        point_list(the_round.folder, case, [("Done 1 z1", "", first), ("2 z3", "done, not sure", second)], system)
    taken = the_round.look()
    assert taken.problems == () and len(taken.given) == 4
    the_round.labels.joinpath("p01.nii.gz").unlink()
    assert slices(the_round.look()) == [("p02", 0), ("p02", 2)]


def test_points_as_they_were_handed_out_say_nothing(the_round):
    both(the_round)
    scan = the_round.manifest.scan("p01")
    point_list(the_round.folder, "p01", [("1 z1 uncertain", "slice k = 1", centre(scan, 1))])
    taken = the_round.look()
    assert taken.given == () and taken.problems == ()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (1.45, "point 'done': it lies between slices 1 and 2; move it onto one of them."),
        (9, "point 'done': it lies outside p01; is it of another scan?"),
    ],
)
def test_points_beside_a_slice(the_round, where, words):
    both(the_round)
    scan = the_round.manifest.scan("p01")
    point_list(the_round.folder, "p01", [("done", "", centre(scan, where)), ("done", "", centre(scan, 3))])
    taken = the_round.look()
    assert len(taken.problems) == 1 and words in taken.problems[0]
    assert slices(taken) == [("p01", 3)]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"markups": [1]}', '{"markups": [{"controlPoints": [{"label": "done", "position": [1]}]}]}']
)
def test_damaged_point_lists(the_round, text):
    both(the_round)
    the_round.say_all_done()
    (the_round.folder / "p01.mrk.json").write_text(text)
    taken = the_round.look()
    assert len(taken.problems) == 1 and taken.problems[0].startswith("p01.mrk.json: ")
    assert len(taken.given) == 4


def test_marks_that_contradict_each_other_in_one_table(the_round):
    both(the_round)
    the_round.say("case,index,done\np01,1,yes\np01,1,no\np01,3,yes\n")
    taken = the_round.look()
    assert slices(taken) == [("p01", 3)]
    assert taken.problems == (
        "p01: slice 1 is done in done.csv, line 2, and not done in done.csv, line 3; left open. Keep one of them.",
    )


def test_the_returned_table_goes_before_that_of_the_round(the_round, tmp_path):
    the_round.draw("p01", folder=tmp_path / "returned")
    the_round.say("case,index,done\np01,1,yes\np01,3,yes\n")
    the_round.say("case,index,done\np01,1,no\np01,3,\n", folder=tmp_path / "returned")
    taken = the_round.look(tmp_path / "returned")
    assert slices(taken) == [("p01", 3)] and taken.problems == ()  # an empty cell says nothing
    assert slices(the_round.look(tmp_path / "returned", done="all")) == [("p01", 3)]


def test_one_of_two_annotators_may_not_be_done(the_round):
    the_round.draw("p01")
    the_round.say("case,index,done,annotator\np01,1,yes,anna\np01,1,no,bert\n")
    taken = the_round.look()
    assert slices(taken) == [("p01", 1)] and taken.problems == ()


def test_marks_of_slices_that_are_there_need_no_file(the_round, tmp_path):
    """The round's own table is of what was taken before, and of somebody else."""
    the_round.say("case,index,done,annotator\np01,1,yes,me\np01,3,yes,me\np02,4,yes,me\n")
    the_round.draw("p01", folder=tmp_path / "corrected")
    the_round.say("case,index\np01,1\n", folder=tmp_path / "corrected")
    known = {("p01", 1), ("p01", 3), ("p02", 0)}
    taken = the_round.look(tmp_path / "corrected", annotator="ben", known=known)
    assert slices(taken) == [("p01", 1)] and taken.problems == ()


def test_faults_of_files_whose_slices_are_there_are_notes(the_round):
    the_round.draw("p02")
    (the_round.labels / "p01.nii.gz").write_bytes(b"")
    (the_round.labels / "Segmentation.nii.gz").write_bytes(b"")
    known = {(one.case, one.z) for one in the_round.manifest.slices}
    taken = the_round.look(known=known)
    assert taken.problems == ()
    assert any("p01.nii.gz: the file is empty" in note and "are there already" in note for note in taken.notes)
    assert "2 slices drawn on and not said to be done; what was taken before stays: p02 2, 4" in taken.notes
    assert len(the_round.look(known={("p01", 1)}).problems) == 2  # one of its slices is not there
