"""Names of run folders: they identify experiments on disk, so that they may never change."""

from __future__ import annotations

from bench.study import Study

QUICK = [
    "phantom-coreset-mask-default-s0-9a8d0059",
    "phantom-coreset-mask-default-s1-464a83ab",
    "phantom-entropy-mask-default-s0-db170787",
    "phantom-entropy-mask-default-s1-3b2eac31",
    "phantom-gcl_group_coreset-mask-default-s0-c4b778a7",
    "phantom-gcl_group_coreset-mask-default-s1-a49d143a",
    "phantom-random-mask-default-s0-a6c4eede",
    "phantom-random-mask-default-s1-0e90e4f4",
    "phantom-strided-mask-default-s0-a59ee0c7",
    "phantom-strided-mask-default-s1-6bc79c6f",
]


def test_runs_of_the_default_study_keep_their_keys() -> None:
    runs = Study.find("quick", ["seeds=2"]).runs()
    assert sorted(run.key for run in runs) == QUICK
    assert all(run.key.endswith(run.fingerprint[:8]) for run in runs)


def test_the_default_trainer_may_be_named_and_leaves_the_keys_as_they_are() -> None:
    assert sorted(run.key for run in Study.find("quick", ["seeds=2", "train.mask.name=network"]).runs()) == QUICK
