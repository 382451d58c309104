"""The paper's splits in the catalogue, against a table of their own."""

from __future__ import annotations

import pytest

from alseg_core.data.in_plane import InPlane
from alseg_core.data.prepared import CaseInfo
from alseg_core.data.splits import PARTS, SPLITS
from bench.study import DatasetFile, catalogue, read_yaml

DAVIS_VAL = {"cows", "drift-straight", "motocross-jump", "soapbox", "camel"}
DAVIS_OFFICIAL_VAL = DAVIS_VAL | {
    "blackswan", "bmx-trees", "breakdance", "car-roundabout", "car-shadow", "dance-twirl", "dog", "drift-chicane",
    "goat", "horsejump-high", "kite-surf", "libby", "paragliding-launch", "parkour", "scooter-black",
}  # fmt: skip
DAVIS_TRAIN = {
    "bear", "bmx-bumps", "boat", "breakdance-flare", "bus", "car-turn", "dance-jump", "dog-agility", "drift-turn",
    "elephant", "flamingo", "hike", "hockey", "horsejump-low", "kite-walk", "lucia", "mallard-fly", "mallard-water",
    "motocross-bumps", "motorbike", "paragliding", "rhino", "rollerblade", "scooter-gray", "soccerball", "stroller",
    "surf", "swing", "tennis", "train",
}  # fmt: skip
MSCMR_VAL, MSCMR_TEST = {1, 8, 29, 36, 41}, {3, 5, 10, 11, 12, 16, 17, 23, 28, 30, 33, 35, 38, 40, 43}


def named(stem: str, numbers: set[int]) -> set[str]:
    return {stem.format(number) for number in numbers}


TABLE = {
    "acdc": (
        (80, 20, 50),
        (
            named("patient{:03d}", set(range(1, 81))),
            named("patient{:03d}", set(range(81, 101))),
            named("patient{:03d}", set(range(101, 151))),
        ),
    ),
    "chaos": (
        (15, 2, 3),
        (
            named("ct_{:02d}", {1, 5, 6, 10, 16, 18, 19, 21, 23, 25, 26, 27, 28, 29, 30}),
            named("ct_{:02d}", {2, 14}),
            named("ct_{:02d}", {8, 22, 24}),
        ),
    ),
    "mscmr": (
        (25, 5, 15),
        (
            named("subject{}", set(range(1, 46)) - MSCMR_VAL - MSCMR_TEST),
            named("subject{}", MSCMR_VAL),
            named("subject{}", MSCMR_TEST),
        ),
    ),
    "davis": ((30, 5, 15), (DAVIS_TRAIN, DAVIS_VAL, DAVIS_OFFICIAL_VAL - DAVIS_VAL)),
}


@pytest.mark.parametrize("dataset", TABLE)
def test_the_published_split(dataset):
    counts, parts = TABLE[dataset]
    assert tuple(map(len, parts)) == counts
    content = read_yaml(catalogue("dataset")[dataset])
    assert content["presets"]["paper"]["split"] == "paper"
    grid = InPlane(4, 4, 1, 1, 9)
    patients = [*sorted(set.union(*parts)), "another"]
    cases = [CaseInfo(f"{p}_case", p, "", {}, 3, (9, 9), (1, 1, 1), grid, True, False, 0) for p in patients]
    split = SPLITS.build(content["splits"]["paper"]).assign(cases)
    for part, expected in zip(PARTS, parts, strict=True):
        assert {case.removesuffix("_case") for case in getattr(split, part)} == expected, part


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_videos_have_no_surface_distances(preset):
    """A pixel and a frame are no millimetres."""
    file = DatasetFile("davis", read_yaml(catalogue("dataset")["davis"]), preset)
    assert file.preset["evaluate"] == {"surface": False}
