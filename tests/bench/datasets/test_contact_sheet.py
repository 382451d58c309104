from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from alseg_core.errors import ResultsError
from alseg_core.vocabulary import Volume
from bench.datasets.contact_sheet import TILES, colour, places, tiles_of, write_sheet


@pytest.mark.parametrize("cases", [0, 1, 2, 5, 23, 24, 25, 60, 1000])
def test_slices_are_spread_over_cases_and_z(cases):
    shown = places(cases)
    heights = [height for found in shown.values() for height in found]
    assert len(heights) <= TILES and all(0 < height < 1 for height in heights)
    assert len(shown) == min(cases, TILES) and all(0 <= case < cases for case in shown)
    if cases:
        assert len(heights) > TILES / 2
        assert max(heights) - min(heights) > 0.35
        assert max(shown) >= (cases - 1) * 0.9


def volume(colour_image=False, labels=True, scribbles=True, spacing=(8.0, 2.0, 1.0)):
    image = np.random.default_rng(0).random((5, 40, 50), np.float32) * 0.2
    if colour_image:
        image = np.stack([image] * 3, axis=3)
    mask = np.zeros((5, 40, 50), np.uint8)
    mask[:, 10:30, 0:20], mask[:, 15:25, 30:45] = 1, 2
    scribble = np.full(mask.shape, 255, np.uint8)
    scribble[:, 19:21, 3:17], scribble[:, 35:38, 5:45] = 1, 0
    return Volume(image, mask if labels else None, scribble if scribbles else None, spacing, "case_a", "a")


def near(picture, wanted, within=0.12):
    return np.abs(picture[..., :3] - np.array(to_rgb(wanted))).max(axis=2) < within


@pytest.mark.parametrize("colour_image", [False, True])
def test_labels_are_drawn_in_the_colour_of_their_class(tmp_path, colour_image):
    classes = ["background", "one", "two"]
    path = tmp_path / "new" / "sheet.png"
    write_sheet(path, "title", tiles_of(volume(colour_image), [0.1, 0.5, 0.9]), classes)
    with_labels = imread(path)
    assert all(near(with_labels, colour(label)).sum() > 300 for label in range(3))
    bare = volume(colour_image, labels=False, scribbles=False)
    write_sheet(path, "title", tiles_of(bare, [0.1, 0.5, 0.9]), classes)
    assert not any(near(imread(path), colour(label)).sum() for label in (1, 2))


def test_tiles_are_distinct_slices_of_a_volume():
    tiles = tiles_of(volume(), [0.1, 0.15, 0.5, 0.999, 1.0])
    assert [tile.caption for tile in tiles] == ["case_a  z 0/4", "case_a  z 2/4", "case_a  z 4/4"]
    assert all(tile.aspect == 2 and 0 <= tile.image.min() <= tile.image.max() <= 1 for tile in tiles)
    flat = dataclasses.replace(volume(), image=np.full((5, 40, 50), 7, np.float32))
    assert np.isfinite(tiles_of(flat, [0.5])[0].image).all()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="--sheet"):
        write_sheet(tmp_path / "file" / "sheet.png", "title", tiles_of(volume(), [0.5]), ["background"])
