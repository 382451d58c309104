"""alseg embed check: picks described by hand, and the command on a tiny dataset with and without masks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from alseg_core.data.slices import SliceTable
from bench.cli import main
from bench.datasets.embedding_check import CHANCE, check, describe_picks

ENCODER = "components.contrastive={epochs: 1, image_size: 16, init: random}"


def tiny_file(tiny: dict[str, Any], folder: Path) -> str:
    dataset = {**tiny["dataset"], "prepare": {"size": 32}}
    preset = {key: dataset.pop(key) for key in ("prepare", "split")}
    dataset["presets"] = {"quick": {**preset, "budgets": [4, 7]}}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(dataset))
    return str(path)


def test_picks_are_described_by_hand() -> None:
    table = SliceTable(("a", "b", "c"), ("p", "p", "q"), np.repeat([0, 1, 2], 10), np.tile(np.arange(10), 3))
    masks = np.zeros((30, 4, 4), np.uint8)
    masks[3, 0, 0] = 1
    masks[14, 0, 0], masks[14, 1, 1] = 1, 2
    picks = describe_picks(np.array([0, 3, 14, 19]), table, masks, 3)  # z 0, 3, 4 and 9 of ten; patient p alone
    assert (picks.patients, picks.tenths, picks.ends) == (1, 4, 0.5)
    assert (picks.foreground, picks.all_classes) == (0.5, 0.25)
    blind = describe_picks(np.array([0, 25]), table, None, 3)
    assert (blind.patients, blind.tenths, blind.ends) == (2, 2, 0.5)
    assert blind.foreground is None and blind.all_classes is None


@pytest.mark.slow
def test_the_check_compares_with_untrained_pixels_and_chance(tiny: dict[str, Any], tmp_path: Path) -> None:
    dataset = tiny_file(tiny, tmp_path)
    found = check(dataset, None, "gcl_group_coreset", "quick", [ENCODER, "seeds=2"], tmp_path / "store")
    assert list(found.quality) == ["embedding", "untrained encoder", "pixels"]
    assert list(found.picks) == [*found.quality, CHANCE]
    for picks in found.picks.values():
        assert picks.patients >= 1 and 0 <= picks.ends <= 1
        assert picks.foreground is not None and picks.all_classes is not None
        assert picks.all_classes <= picks.foreground <= 1
    own, untrained = found.quality["embedding"], found.quality["untrained encoder"]
    worse = [own.same_patient < untrained.same_patient, own.same_volume < untrained.same_volume]
    assert len(found.lost) == sum(worse)
    again = check(dataset, None, "gcl_group_coreset", "quick", [ENCODER, "seeds=2"], tmp_path / "store")
    assert again == found


def test_other_recipes_are_shown_beside_as_they_are_alone(tiny: dict[str, Any], tmp_path: Path) -> None:
    dataset, settings = tiny_file(tiny, tmp_path), ["components.imagenet={init: random, image_size: 32}"]
    twice = ["coreset", "coreset_imagenet"]
    found = check(dataset, None, "coreset_imagenet", "quick", settings, tmp_path / "store", beside=twice)
    assert list(found.quality) == ["embedding", "untrained encoder", "pixels", "coreset"]
    alone = check(dataset, None, "coreset", "quick", settings, tmp_path / "store")
    assert found.quality["coreset"] == alone.quality["embedding"] and found.picks["coreset"] == alone.picks["embedding"]
    assert found.quality["untrained encoder"] == found.quality["embedding"] and not found.lost
    assert found.notes[0] == "weights of coreset_imagenet: random"


def test_a_published_model_is_checked_beside_an_untrained_one(timm: Any, tiny: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(7)
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "mine.pth")
    fields = f"components.timm={{model: test_vit, weights: {tmp_path}/mine.pth, image_size: 32}}"
    found = check(tiny_file(tiny, tmp_path), None, "coreset_dino", "quick", [fields], tmp_path / "store")
    assert list(found.quality) == ["embedding", "untrained encoder", "pixels"]
    assert found.quality["untrained encoder"] != found.quality["embedding"]
    assert found.notes[0].startswith("weights of coreset_dino: sha256 ")


def test_every_seed_has_the_pool_of_its_own_split(tiny: dict[str, Any], tmp_path: Path) -> None:
    dataset = tiny_file(tiny, tmp_path)
    both = check(dataset, None, "coreset", "quick", ["seeds=[3, 4]", "split.seed=run"], tmp_path / "store")
    alone = [
        check(dataset, None, "coreset", "quick", [f"seeds=[{seed}]", f"split.seed={seed}"], tmp_path / "store")
        for seed in (3, 4)
    ]
    for name, quality in both.quality.items():
        parts = [each.quality[name].same_volume for each in alone]
        assert quality.same_volume == pytest.approx(np.mean(parts))
    assert alone[0].quality != alone[1].quality and alone[0].picks[CHANCE] != alone[1].picks[CHANCE]
    assert both.picks[CHANCE].ends == pytest.approx(np.mean([each.picks[CHANCE].ends for each in alone]))


@pytest.mark.slow
def test_each_seed_has_an_encoder_unless_one_is_asked_for(tiny: dict[str, Any], tmp_path: Path) -> None:
    dataset = tiny_file(tiny, tmp_path)

    def spread(*settings: str) -> float:
        found = check(dataset, None, "gcl_group_coreset", "controls", [ENCODER, *settings], tmp_path / "store")
        return found.quality["embedding"].dimension

    alone = [spread(f"seeds=[{seed}]", "components.contrastive.encoder_seed=null") for seed in (0, 1)]
    assert alone[0] != alone[1]
    assert spread("seeds=2") == pytest.approx(np.mean(alone))
    assert spread("seeds=2", "components.contrastive.encoder_seed=0") == pytest.approx(alone[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_quick_encoder_of_the_phantom_has_learned(tmp_path: Path, seed: int) -> None:
    settings = [f"components.contrastive.encoder_seed={seed}"]
    found = check("phantom", None, "gcl_group_coreset", "quick", settings, tmp_path)
    own, untrained = found.quality["embedding"], found.quality["untrained encoder"]
    assert own.same_patient > untrained.same_patient and own.same_volume > untrained.same_volume


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="ALSEG_ACDC, the folder of the ACDC scans, is not set")
def test_the_quick_encoder_of_acdc_has_learned(tmp_path: Path) -> None:
    found = check("acdc", os.environ["ALSEG_ACDC"], "gcl_group_coreset", "quick", [], tmp_path)
    own, untrained = found.quality["embedding"], found.quality["untrained encoder"]
    assert own.same_patient > untrained.same_patient + 0.1 and own.same_volume > untrained.same_volume + 0.1


def test_the_command_shows_the_tables_and_its_exit_code_says_whether_training_lost(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    command = ["embed", "check", tiny_file(tiny, tmp_path), "--set", ENCODER, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command, terminal_width=200)
    assert result.exit_code in (0, 1), result.output
    assert ("worse than an untrained encoder" in result.output) == (result.exit_code == 1)
    for text in ("nearest neighbours", "untrained encoder", "pixels", "random slices", "foreground", "masks of"):
        assert text in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "random"], "recipe 'random' has no embedding"),
        (["--recipe", "coreset_task"], "trained on labels"),
        (["--beside", "random"], "recipe 'random' has no embedding"),
        (["--recipe", "gcl_grup_coreset"], "Did you mean 'gcl_group_coreset'?"),
        (["--set", "components.contrastive.epoch=1"], "Did you mean 'epochs'?"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_one_error(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["embed", "check", *arguments, "--out", str(tmp_path)])
    assert result.exit_code == 2 and message in result.output
