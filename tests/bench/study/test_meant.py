from __future__ import annotations

import pytest

from alseg_core.errors import ConfigError
from bench.study import Study


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("train.lr=0.1", "'train.lr'. Did you mean --set train.mask.lr=0.1?"),
        ("lr=0.1", "'lr'. Did you mean --set train.mask.lr=0.1 or --set components.contrastive.lr=0.1 or"),
        ("widths=[4]", r"--set train.mask.network.widths=\[4\]\?"),
        ("train.network.widths=[4]", r"--set train.mask.network.widths=\[4\]\?"),
        ("surface=false", "--set evaluate.surface=false?"),
        ("cpus=2", "--set resources.cpus=2?"),
        ("image_size=64", "--set components.contrastive.image_size=64"),
        ("components.passes=3", "--set components.entropy.passes=3 .* There are [0-9]+ more, see alseg list fields"),
    ],
)
def test_a_key_without_its_beginning_is_answered_with_the_whole_key(setting: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"a study has no setting .*{meant}"):
        Study.find("quick", ["annotations=mask", setting])


def test_the_kind_of_training_is_that_of_the_study() -> None:
    with pytest.raises(ConfigError, match="--set train.scribble.lr=1 or --set train.mask.lr=1 or"):
        Study.find("quick", ["lr=1", "annotations=scribble mask"])


@pytest.mark.parametrize("setting", ["colour=red", "dataset=acdc", "train.scrible.lr=1", "components.contrastiv.lr=1"])
def test_what_no_key_ends_in_is_answered_as_before(setting: str) -> None:
    with pytest.raises(ConfigError, match="unknown (field|annotation|component)"):
        Study.find("quick", [setting]).runs()
