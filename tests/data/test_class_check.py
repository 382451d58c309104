"""Classes and images that say nothing are found before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from alseg_core.data.class_check import check_classes
from alseg_core.errors import DataError

NAMES = ("background", "liver", "tumour")


@dataclass(frozen=True)
class Held:
    case: str
    classes: tuple[int, ...] = (0, 1, 2)
    constant: bool = False


FULL = [Held("full")]


def test_nothing_is_said_of_complete_data() -> None:
    assert check_classes(NAMES, FULL, FULL, FULL) == ()


def test_cases_without_labels_do_not_count() -> None:
    assert check_classes(NAMES, [*FULL, Held("bare", ())], FULL, FULL) == ()


@pytest.mark.parametrize(
    ("train", "val", "test", "words"),
    [
        (
            (0,),
            (0,),
            (0,),
            "all labels are empty: the 3 cases hold background only, and the classes are background, liver",
        ),
        ((0, 1), (0, 1), (0, 1), r"class 2 \(tumour\) is in no case at all"),
        ((0, 1), (0, 1), (0, 1, 2), r"no training case holds class 2 \(tumour\), which c holds\. No network can learn"),
        ((0, 1), (0, 2), (0, 1, 2), r"no training case holds class 2 \(tumour\), which b, c hold\."),
        ((0,), (0, 1), (0, 2), r"class 1 \(liver\), which b holds; nor class 2 \(tumour\), which c holds"),
    ],
)
def test_what_no_network_can_learn_is_an_error(
    train: tuple[int, ...], val: tuple[int, ...], test: tuple[int, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        check_classes(NAMES, [Held("a", train)], [Held("b", val)], [Held("c", test)])


def test_what_no_score_can_measure_is_a_warning() -> None:
    lacking = [Held("a", (0, 1))]
    assert check_classes(NAMES, FULL, FULL, lacking) == (
        "class 2 (tumour) is in no test case: its score there is undefined",
    )
    (line,) = check_classes(NAMES, FULL, lacking, lacking)
    assert line == "class 2 (tumour) is in no validation and no test case: its score there is undefined"


def test_a_constant_image_is_a_warning() -> None:
    flat = [Held(f"c{i}", constant=True) for i in range(7)]
    (line,) = check_classes(NAMES, flat, FULL, FULL)
    assert line == "the image of c0, c1, c2, c3, c4 and 2 more is constant: it shows nothing to segment"
