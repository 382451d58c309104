"""Names of run folders: they identify experiments on disk, so that they may never change."""

from __future__ import annotations

from bench.study import Study

QUICK = [
    "phantom-coreset-scribble-default-s0-b3860c0f",
    "phantom-coreset-scribble-default-s1-201a5117",
    "phantom-entropy-scribble-default-s0-00dec006",
    "phantom-entropy-scribble-default-s1-80506d43",
    "phantom-gcl_coreset-scribble-default-s0-05fde6d4",
    "phantom-gcl_coreset-scribble-default-s1-9a5c8829",
    "phantom-random-scribble-default-s0-542cbfe0",
    "phantom-random-scribble-default-s1-131629cf",
    "phantom-strided-scribble-default-s0-7b40354e",
    "phantom-strided-scribble-default-s1-0b30f8ed",
]


def test_runs_of_the_default_study_keep_their_keys() -> None:
    runs = Study.find("quick").runs()
    assert sorted(run.key for run in runs) == QUICK
    assert all(run.key.endswith(run.fingerprint[:8]) for run in runs)


def test_the_default_trainer_may_be_named_and_leaves_the_keys_as_they_are() -> None:
    assert sorted(run.key for run in Study.find("quick", ["train.scribble.name=network"]).runs()) == QUICK
