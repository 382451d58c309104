"""Names of run folders: they identify experiments on disk, so that they may never change."""

from __future__ import annotations

from bench.study import Study

QUICK = [
    "phantom-coreset-mask-default-s0-6c18ddf8",
    "phantom-coreset-mask-default-s1-9a6530d4",
    "phantom-entropy-mask-default-s0-08725af6",
    "phantom-entropy-mask-default-s1-865ed4b8",
    "phantom-gcl_group_coreset-mask-default-s0-1e29d3ec",
    "phantom-gcl_group_coreset-mask-default-s1-58254c1a",
    "phantom-random-mask-default-s0-d2010a45",
    "phantom-random-mask-default-s1-46bc8494",
    "phantom-strided-mask-default-s0-08096f89",
    "phantom-strided-mask-default-s1-47ce3984",
]


def test_runs_of_the_default_study_keep_their_keys() -> None:
    runs = Study.find("quick", ["seeds=2"]).runs()
    assert sorted(run.key for run in runs) == QUICK
    assert all(run.key.endswith(run.fingerprint[:8]) for run in runs)


def test_the_default_trainer_may_be_named_and_leaves_the_keys_as_they_are() -> None:
    assert sorted(run.key for run in Study.find("quick", ["seeds=2", "train.mask.name=network"]).runs()) == QUICK
