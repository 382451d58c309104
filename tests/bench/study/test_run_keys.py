"""Names of run folders: they identify experiments on disk, so that they may never change."""

from __future__ import annotations

from bench.study import Study

QUICK = [
    "phantom-coreset-scribble-default-s0-99de7af9",
    "phantom-coreset-scribble-default-s1-576436a7",
    "phantom-entropy-scribble-default-s0-76f999d8",
    "phantom-entropy-scribble-default-s1-c036121c",
    "phantom-gcl_group_coreset-scribble-default-s0-705e65bd",
    "phantom-gcl_group_coreset-scribble-default-s1-1d381f1f",
    "phantom-random-scribble-default-s0-8b26dc14",
    "phantom-random-scribble-default-s1-776dbbf6",
    "phantom-strided-scribble-default-s0-161d150f",
    "phantom-strided-scribble-default-s1-9a540828",
]


def test_runs_of_the_default_study_keep_their_keys() -> None:
    runs = Study.find("quick", ["seeds=2"]).runs()
    assert sorted(run.key for run in runs) == QUICK
    assert all(run.key.endswith(run.fingerprint[:8]) for run in runs)


def test_the_default_trainer_may_be_named_and_leaves_the_keys_as_they_are() -> None:
    assert sorted(run.key for run in Study.find("quick", ["seeds=2", "train.scribble.name=network"]).runs()) == QUICK
