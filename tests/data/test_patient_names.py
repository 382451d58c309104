"""Which scans are of one patient, by their names alone."""

from __future__ import annotations

import re

import pytest

from alseg_core.data.readers.patient_names import alike, doubt, patients_of

CERTAIN: dict[str, tuple[list[str], list[str]]] = {
    "bids_sessions": (["sub-01_ses-01_T2w", "sub-01_ses-02_T2w", "sub-02_ses-01_T2w"], ["sub-01", "sub-01", "sub-02"]),
    "bids_runs": (["sub-01_run-1_T2w", "sub-01_run-2_T2w", "sub-02_run-1_T2w"], ["sub-01", "sub-01", "sub-02"]),
    "bids_subjects": (["sub-01", "sub-02"], ["sub-01", "sub-02"]),
    "timepoints": (
        ["ID_0003_Timepoint_1", "ID_0003_Timepoint_2", "ID_0004_Timepoint_1"],
        ["ID_0003"] * 2 + ["ID_0004"],
    ),
    "visits": (
        ["patient_001_visit1", "patient_001_visit2", "patient_002_visit1"],
        ["patient_001"] * 2 + ["patient_002"],
    ),
    "one_patient": (["patient_001_visit1", "patient_001_visit2"], ["patient_001", "patient_001"]),
    "times": (["case_00001_t0", "case_00001_t1", "case_00002_t0"], ["case_00001"] * 2 + ["case_00002"]),
    "frames": (["patient001_frame01", "patient001_frame12", "patient002_frame01"], ["patient001"] * 2 + ["patient002"]),
    "phases": (["p1_ED", "p1_ES", "p2_ED"], ["p1", "p1", "p2"]),
    "contrasts": (["liver7_arterial", "liver7_portal", "liver8_portal"], ["liver7", "liver7", "liver8"]),
    "sides": (["knee12_left", "knee12_right", "knee13_left"], ["knee12", "knee12", "knee13"]),
    "before_the_patient": (["CT_001", "MR_001", "CT_002"], ["001", "001", "002"]),
    "two_words": (["P1_pre_T1", "P1_post_T1", "P2_pre_T1"], ["P1", "P1", "P2"]),
    "months": (["002_S_0295_m00", "002_S_0295_m06", "002_S_0413_m00"], ["002_S_0295", "002_S_0295", "002_S_0413"]),
    "without_separator": (["patient1visit2", "patient1visit3", "patient2visit1"], ["patient1", "patient1", "patient2"]),
    "oasis": (["OAS1_0001_MR1", "OAS1_0002_MR1", "OAS1_0002_MR2"], ["OAS1_0001", "OAS1_0002", "OAS1_0002"]),
    "attached_words": (["p01pre", "p01post", "p02pre"], ["p01", "p01", "p02"]),
    "numbered_scanner": (["smith_mri1", "smith_mri2", "jones_mri1"], ["smith", "smith", "jones"]),
    "before_after": (["smith_before", "smith_after", "jones_before"], ["smith", "smith", "jones"]),
    "lettered_visits": (["smith_visitA", "smith_visitB", "jones_visitA"], ["smith", "smith", "jones"]),
    "spans_of_time": (["smith_6months", "smith_12months", "jones_6months"], ["smith", "smith", "jones"]),
    "months_beside_sites": (["01-001_m06", "01-001_m12", "01-002_m06"], ["01-001", "01-001", "01-002"]),
    "blanks": (["J 01 visit 1", "J 01 visit 2", "J 02 visit 1"], ["J 01", "J 01", "J 02"]),
}
"""Names, and their patients."""

SOUND = {
    "brats20": ["BraTS20_Training_001", "BraTS20_Training_002", "BraTS20_Training_003"],
    "brats21": ["BraTS2021_00000", "BraTS2021_00002", "BraTS2021_00003"],
    "flare22": ["FLARE22_Tr_0001", "FLARE22_Tr_0002", "FLARE22_Tr_0003"],
    "flare22_with_channel": ["FLARE22_Tr_0001_0000", "FLARE22_Tr_0002_0000", "FLARE22_Tr_0003_0000"],
    "msd": ["lung_001", "lung_003", "lung_004"],
    "msd_with_gaps": [f"lung_{i:03d}" for i in (1, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 20, 22, 23, 25, 26)],
    "totalsegmentator": ["s0000", "s0001", "s0002"],
    "counted_through": [f"case_{i:05d}" for i in range(31)],
    "amos": ["amos_0001", "amos_0004", "amos_0005", "amos_0006", "amos_0010"],
    "lits": ["volume-0", "volume-1", "volume-10", "volume-2"],
    "promise": ["Case00", "Case01", "Case02"],
    "parts_of_a_split": ["train_001", "train_002", "val_001"],
    "sites": ["CHUM-001", "CHUM-002", "CHUS-001"],
    "scan_is_the_number": ["study_scan_001", "study_scan_002", "study_scan_003"],
    "dates": ["20200101", "20200102", "20200105"],
    "plain": ["p1", "p2", "p10"],
    "sites_with_scans": [f"site{s}_scan_{i:03d}" for s in "AB" for i in range(1, 5)],
    "wards": ["ward_exam_0011", "ward_exam_0012"],
    "letters_that_are_no_months": ["control_M_01", "control_M_02", "case_M_01"],
    "series_of_a_split": ["train_series_01", "train_series_02", "val_series_01"],
    "adni": ["002_S_0295", "002_S_0413", "003_S_0907"],
    "mnms": ["A0S9V9", "A1D0Q7", "A1D9Z7"],
    "ixi": ["IXI002-Guys-0828", "IXI012-HH-1211", "IXI013-HH-1212"],
    "kits": ["case_00000", "case_00001", "case_00002"],
    "words": ["anna", "bert"],
    "letters_of_a_dataset": ["lung_a", "lung_b", "lung_c"],
    "dates_of_a_dataset": ["case190412", "case190413"],
    "one": ["scan"],
    "none": [],
}
"""Names of one scan a patient."""

OPEN = {
    "visits_in_a_number": ["genius_0800", "genius_0801", "genius_0900"],
    "visits_in_a_number_from_1": ["p0101", "p0102", "p0103", "p0201", "p0301", "p0302"],
    "numbers_after_initials": ["JD_1", "JD_2", "AB_1"],
    "numbers_after_a_name": ["smith1", "smith2", "jones1"],
    "padded_numbers_after_a_name": ["smith_01", "smith_02", "jones_01"],
    "a_name_and_a_number": ["anna", "anna2", "bert"],
    "visit_letters": ["P001V1", "P001V2", "P002V1"],
    "visit_letters_of_subjects": ["sub-001v1", "sub-001v2", "sub-002v1"],
    "time_letters": ["001T0", "001T1", "002T0"],
    "initials_and_date": ["AB190412", "AB200103", "CD190412"],
    "times_and_contrasts": ["PAT01T0", "PAT01T1", "PAT02T0"],
    "roman": ["smith_II", "smith_III", "jones_II"],
    "dates_with_hyphens": ["smith_2020-01-31", "smith_2021-02-01", "jones_2020-01-31"],
    "dates_day_first": ["smith_31012020", "smith_01022021", "jones_31012020"],
    "dates_in_front": ["20200101_p1", "20210101_p1", "20200101_p2"],
    "letters_in_front": ["a_p01", "b_p01", "a_p02"],
    "another_language": ["p1 Besuch 1", "p1 Besuch 2", "p2 Besuch 1"],
    "one_patient_in_another_language": ["p1 Besuch 1", "p1 Besuch 2"],
    "sites_or_patients": ["Site1_001", "Site1_002", "Site2_001"],
    "letters": ["p04_a", "p04_b", "p05_a"],
    "letters_after_a_number": ["subject01a", "subject01b", "subject02a"],
    "letters_after_a_name": ["smith_a", "smith_b", "jones_a"],
    "dates_after_a_name": ["smith_20200101", "smith_20210101", "jones_20200105"],
    "dates_after_a_number": ["p1_20200101", "p1_20210101", "p2_20200105"],
    "brats23": ["BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00002-000"],
    "two_kinds_of_visits": ["p1_visit1_x", "p1_visit1_y", "p2_visit1_x"],
}
"""Names that leave it open."""


@pytest.mark.parametrize(("names", "patients"), CERTAIN.values(), ids=list(CERTAIN))
def test_words_for_scans_are_no_part_of_the_patient(names: list[str], patients: list[str]) -> None:
    found = patients_of(names)
    assert [found[name][0] for name in names] == patients
    assert doubt(set(patients)) is None
    assert len({found[name] for name in names}) == len(names), "scans of a patient have different groups"


@pytest.mark.parametrize("names", SOUND.values(), ids=list(SOUND))
def test_names_of_one_scan_each_are_the_patients(names: list[str]) -> None:
    assert patients_of(names) == {name: (name, "") for name in names}
    assert doubt(names) is None


@pytest.mark.parametrize("names", OPEN.values(), ids=list(OPEN))
def test_names_that_leave_it_open_are_doubted(names: list[str]) -> None:
    why = doubt({patient for patient, _ in patients_of(names).values()})
    assert why is not None and "of one patient" in why.why
    found = [re.fullmatch(why.pattern, name) for name in names]
    matching = [match["patient"] for match in found if match]
    assert len(set(matching)) < len(matching), "the pattern in the message makes them one patient"


def test_names_that_differ_in_form_only_are_found() -> None:
    assert alike(["P01", "p01", "p1", "q 2", "q2", "p10", "p100"]) == [("P01", "p01"), ("P01", "p1"), ("q 2", "q2")]
