"""Names of run folders: they identify experiments on disk, so that they may never change."""

from __future__ import annotations

from bench.study import Study

QUICK = [
    "phantom-coreset-mask-default-s0-57345def",
    "phantom-coreset-mask-default-s1-4e96cdde",
    "phantom-entropy-mask-default-s0-b6240414",
    "phantom-entropy-mask-default-s1-c7cae888",
    "phantom-gcl_group_coreset-mask-default-s0-320e44d7",
    "phantom-gcl_group_coreset-mask-default-s1-b33b6bb8",
    "phantom-random-mask-default-s0-62387f37",
    "phantom-random-mask-default-s1-3b2539f8",
    "phantom-strided-mask-default-s0-2d17ef76",
    "phantom-strided-mask-default-s1-fc7fc9de",
]


def test_runs_of_the_default_study_keep_their_keys() -> None:
    runs = Study.find("quick", ["seeds=2"]).runs()
    assert sorted(run.key for run in runs) == QUICK
    assert all(run.key.endswith(run.fingerprint[:8]) for run in runs)


def test_the_default_trainer_may_be_named_and_leaves_the_keys_as_they_are() -> None:
    assert sorted(run.key for run in Study.find("quick", ["seeds=2", "train.mask.name=network"]).runs()) == QUICK
