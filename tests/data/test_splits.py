from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alseg_core.data.in_plane import InPlane
from alseg_core.data.prepared import CaseInfo
from alseg_core.data.splits import PARTS, SPLITS, apportion, of_run, per_run
from alseg_core.errors import ConfigError, DataError


def case(patient, phase="ED", **attributes):
    return CaseInfo(
        f"{patient}_{phase}", patient, phase, attributes, 3, (9, 9), (1, 1, 1), InPlane(4, 4, 1, 1, 9), True, False, 0
    )


def cohort(groups):
    """Two phases of each patient; ``groups`` gives the pathology of patient 1, 2, ..."""
    return [case(f"p{i:03d}", phase, pathology=g) for i, g in enumerate(groups, 1) for phase in ("ED", "ES")]


def patients(part):
    return [name.split("_")[0] for name in part]


def test_ranges_are_inclusive_and_keep_padding():
    cases = cohort("a" * 12)
    lists = {"train": ["p001..p009", "p012"], "val": ["p010"], "test": ["p011"]}
    split = SPLITS.build({"name": "patients", **lists}).assign(cases)
    assert patients(split.train)[::2] == [f"p{i:03d}" for i in (*range(1, 10), 12)]
    assert split.val == ("p010_ED", "p010_ES")
    assert split.test == ("p011_ED", "p011_ES")


def test_patients_not_listed_are_unused():
    lists = {"train": ["p001"], "val": ["p003"], "test": ["p002"]}
    split = SPLITS.build({"name": "patients", **lists}).assign(cohort("aaaa"))
    assert len(split.train + split.val + split.test) == 6


def test_missing_patients_are_named():
    splitter = SPLITS.build({"name": "patients", "train": ["p001..p003"], "val": ["p004"], "test": ["p101..p150"]})
    with pytest.raises(DataError, match=r"test lacks 50 of 50 patients \(p101, p102.* p150\).*test patients"):
        splitter.assign(cohort("aaaa"))


@pytest.mark.parametrize(("count", "all_named"), [(29, True), (30, True), (31, False)])
def test_missing_patients_are_all_named_up_to_thirty(count, all_named):
    splitter = SPLITS.build({"name": "patients", "train": ["p001"], "val": ["p002"], "test": [f"q101..q{100 + count}"]})
    with pytest.raises(DataError) as caught:
        splitter.assign(cohort("ab"))
    assert all(f"q{100 + i}" in str(caught.value) for i in range(1, count + 1)) == all_named


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (["p001..p003", "p002"], "listed twice: p002"),
        (["p004"], "listed twice: p004"),
        (["p003..p001"], "no range"),
        (["p001..q003"], "no range"),
        (["p001.."], "no range"),
        ([], "train"),
        ("p001", "list of patient ids"),
    ],
)
def test_bad_lists_are_config_errors(train, words):
    with pytest.raises(ConfigError, match=words):
        SPLITS.build({"name": "patients", "train": train, "val": ["p004"], "test": ["p005"]})


def test_stratified_shares_per_stratum():
    groups = [g for g in ("DCM", "HCM", "MINF", "NOR", "RV") for _ in range(20)]
    cases = cohort(groups)
    split = SPLITS.build("stratified").assign(cases)
    of = {c.patient: c.attributes["pathology"] for c in cases}
    for part, count in ((split.train, 13), (split.val, 2), (split.test, 5)):
        assert Counter(of[p] for p in set(patients(part))) == dict.fromkeys(set(groups), count)


@given(
    groups=st.lists(st.sampled_from("abc"), min_size=3, max_size=40),
    shares=st.sampled_from([(0.65, 0.1, 0.25), (0.98, 0.01, 0.01), (0.1, 0.1, 0.8)]),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_stratified_properties(groups, shares, seed):
    cases = cohort(groups)
    splitter = SPLITS.build({"name": "stratified", "seed": seed, **dict(zip(PARTS, shares, strict=True))})
    split = splitter.assign(cases)
    parts = [set(patients(getattr(split, part))) for part in PARTS]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(groups)  # every patient in one part, whole
    assert sorted(split.train + split.val + split.test) == sorted(c.case for c in cases)
    again = splitter.assign(cases[::-1])
    assert set(again.train) == set(split.train)
    assert set(again.val) == set(split.val)


def test_seed_changes_the_draw():
    cases = cohort("abc" * 10)
    draws = {SPLITS.build({"name": "stratified", "seed": seed}).assign(cases).test for seed in range(5)}
    assert len(draws) > 1


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (20, (0.65, 0.1, 0.25), [13, 2, 5]),
        (8, (0.65, 0.1, 0.25), [5, 1, 2]),
        (1, (0.3, 0.3, 0.4), [0, 0, 1]),
        (0, (1,), [0]),
    ],
)
def test_largest_remainder(count, shares, expected):
    assert apportion(count, shares) == expected


def test_stratified_needs_the_attribute():
    with pytest.raises(DataError, match=r"'vendor'.*pathology"):
        SPLITS.build({"name": "stratified", "by": "vendor"}).assign(cohort("abc"))
    mixed = [*cohort("abc"), case("p001", "X", pathology="z")]
    with pytest.raises(DataError, match="p001"):
        SPLITS.build("stratified").assign(mixed)


def test_stratified_limits():
    with pytest.raises(DataError, match="at least 3"):
        SPLITS.build("stratified").assign(cohort("ab"))
    with pytest.raises(ConfigError, match="must be 1"):
        SPLITS.build({"name": "stratified", "train": 0.8})


def test_without_an_attribute_patients_are_drawn_at_random_and_whole():
    cases = [case(f"p{i:03d}", phase) for i in range(40) for phase in ("ED", "ES")]  # no attributes at all
    split = SPLITS.build({"name": "stratified", "by": None}).assign(cases)
    parts = [patients(getattr(split, part)) for part in PARTS]
    assert [len(set(part)) for part in parts] == [26, 4, 10]
    assert all(part.count(patient) == 2 for part in parts for patient in part)
    assert not set(parts[0]) & set(parts[1]) and not set(parts[1]) & set(parts[2]) and not set(parts[0]) & set(parts[2])
    draws = {SPLITS.build({"name": "stratified", "by": None, "seed": seed}).assign(cases).test for seed in range(5)}
    assert len(draws) == 5
    with pytest.raises(DataError, match="at least 3"):
        SPLITS.build({"name": "stratified", "by": None}).assign(cases[:4])


@pytest.mark.parametrize(("one", "other"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_a_patient_in_two_parts_is_an_error(one, other):
    lists = {"train": ["p001"], "val": ["p002"], "test": ["p003"]}
    lists[one] = [*lists[one], "p010"]
    lists[other] = [*lists[other], "p009..p011"]
    with pytest.raises(ConfigError, match="listed twice: p010"):
        SPLITS.build({"name": "patients", **lists})


def test_a_split_per_run_is_the_one_of_the_runs_seed():
    cases = cohort("ab" * 20)
    anew, fixed = SPLITS.build({"name": "stratified", "seed": "run"}), SPLITS.build("stratified")
    drawn = {of_run(anew, seed).assign(cases) for seed in range(5)}
    assert len(drawn) == 5 and per_run(anew) and not per_run(fixed)
    assert of_run(anew, 7).assign(cases) == SPLITS.build({"name": "stratified", "seed": 7}).assign(cases)
    assert of_run(fixed, 7) is fixed
    with pytest.raises(DataError, match="takes the seed of a run"):
        anew.assign(cases)


def test_a_wrong_seed_of_a_split_names_what_is_possible():
    with pytest.raises(ConfigError, match="run"):
        SPLITS.build({"name": "stratified", "seed": "each"})


def test_a_split_that_names_its_patients_is_the_same_whatever_else_is_in_the_folder() -> None:
    few, more = cohort("AABBCCDDEE"), cohort("AABBCCDDEEAAABBB")
    named = SPLITS.build({"name": "stratified", "patients": ["p001..p010"]})
    assert named.assign(more) == named.assign(few) == SPLITS.build("stratified").assign(few)
    assert SPLITS.build("stratified").assign(more) != named.assign(more)
    used = {patient for part in PARTS for patient in patients(getattr(named.assign(more), part))}
    assert used == {f"p{i:03d}" for i in range(1, 11)}


def test_a_split_that_names_its_patients_refuses_a_folder_that_lacks_some() -> None:
    named = SPLITS.build({"name": "stratified", "patients": ["p001..p010"]})
    with pytest.raises(DataError, match=r"the draw lacks 2 of 10 patients \(p009, p010\)"):
        named.assign(cohort("AABBCCDD"))
