"""The straightforward baseline and the program agree, so that a ratio of their times compares the same work."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import table
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers.phantom import Phantom
from alseg_core.data.slices import Slices
from alseg_core.geometry.kcenter import cover_radius, k_center_greedy
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.losses.dmpls import Dmpls
from alseg_core.metric_learning.groups import relate
from alseg_core.metric_learning.losses import Weights, total_loss
from alseg_core.metrics.overlap import dice_scores
from alseg_core.models.unet import UNet, UNetDual
from alseg_core.models.volume_unet import VolumeUNet
from alseg_core.oracles import Vault
from alseg_core.signals import Signals
from alseg_core.store import Store
from alseg_core.strategies.pixel_fusion import PixelFusion
from alseg_core.strategies.scores import Score
from alseg_core.strategies.synthetic_view import SyntheticView
from alseg_core.training.augment import Augment
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member
from alseg_core.training.network_trainer import halved
from alseg_core.vocabulary import IGNORE
from ceilings import Ceilings, Floor
from material import clustered, scribbles
from material import table as slice_table
from measure import Bench, Row, peak_memory
from pack import pack, unpack
from straightforward import encoder, scoring, selection, training
from straightforward import volumes as plain_volumes
from straightforward.networks import PlainUNet, copy_weights, pairs
from subjects import volumes
from subjects.selection import view_of

PERF = Path(__file__).parent / "perf"
WIDTHS, STILL = (8, 16, 24), (0.0, 0.0, 0.0)
"""Without dropout two networks with the same weights compute the same."""


def batch(marked: bool) -> tuple[Tensor, Tensor]:
    """Two slices and their labels, for scribbles with unmarked pixels."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 1, 32, 32)).astype(np.float32)
    labels = rng.integers(0, 4, (2, 32, 32))
    if marked:
        labels[rng.random(labels.shape) < 0.9] = IGNORE
    return torch.from_numpy(images), torch.from_numpy(labels)


@pytest.mark.parametrize("dual", [False, True])
def test_one_step_has_the_same_loss_and_gradients(dual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = UNetDual(widths=WIDTHS, dropouts=STILL, aux_dropout=0.0) if dual else UNet(widths=WIDTHS, dropouts=STILL)
    monkeypatch.setattr("straightforward.networks.AUX_DROPOUT", 0.0)
    torch.manual_seed(0)
    ours = kind.build(1, 4).placed("cpu").train()
    theirs = copy_weights(PlainUNet(4, dual, widths=WIDTHS, dropouts=STILL), ours).train()
    images, labels = batch(marked=dual)
    beta = torch.tensor(0.3)
    mine = (Dmpls() if dual else CrossEntropyDice())(ours.heads(images), labels, beta, torch.tensor(0.0))
    outputs = theirs(images)
    plain = training.scribble_loss(outputs, labels, float(beta)) if dual else training.full_loss(outputs, labels)
    mine.backward()
    plain.backward()
    assert mine.item() == pytest.approx(plain.item(), rel=1e-5)
    layers = pairs(theirs, ours)
    assert len(layers) > 10
    for their, our in layers:
        scale = their.weight.grad.abs().max()
        assert scale > 0
        torch.testing.assert_close(our.weight.grad, their.weight.grad, rtol=1e-3, atol=1e-4 * float(scale))


@pytest.mark.parametrize("name", ["unet3d", "dynunet"])
def test_one_step_in_3d_has_the_same_loss_and_gradients(name: str) -> None:
    """Two volumes in which one slice in four is labelled."""
    torch.manual_seed(0)
    kind = volumes.networks(32, 8, small=True)[name]
    ours = kind.build(1, 4).train().double()  # gradients of noise are differences of large numbers
    assert isinstance(ours, VolumeUNet)
    theirs = copy.deepcopy(ours.net).train()
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.random((2, 8, 1, 32, 32)))
    labels = torch.from_numpy(rng.integers(0, 4, (2, 8, 32, 32)))
    labels[:, np.arange(8) % 4 != 0] = IGNORE
    zero, count = torch.tensor(0.0), CrossEntropyDice()
    losses = [
        halved([count(heads, marked, zero, zero) for heads in ours.scales(volume)])
        for volume, marked in zip(images, labels, strict=True)
    ]
    mine, plain = torch.stack(losses).mean(), plain_volumes.loss(theirs(images.transpose(1, 2)), labels)
    assert mine.item() == pytest.approx(plain.item(), rel=1e-5)
    mine.backward()
    plain.backward()
    weights = dict(theirs.named_parameters())
    assert len(weights) > 30
    for key, weight in ours.net.named_parameters():
        expected = weights[key].grad
        assert weight.grad is not None and expected is not None
        torch.testing.assert_close(weight.grad, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_volumes_of_the_baseline_are_moved_in_the_plane() -> None:
    marks = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 16, 16), np.float32)
    for item in plain_volumes.dataset([marks] * 8, [marks.astype(np.uint8)] * 8, 4, 0):
        middle = item["image"][0, :, 6:10, 6:10]
        first = int(middle[0, 0, 0])
        assert torch.equal(middle, torch.arange(first, first + 4.0).view(4, 1, 1).expand(4, 4, 4))


def kinds(images: np.ndarray, square: np.ndarray) -> np.ndarray:
    """What was done to ``square``: 0 nothing, 1..4 a flip and quarter turns, 5 anything else."""
    known = [square, *(np.flip(np.rot90(square, k), 0) for k in range(4))]
    return np.array([next((i for i, other in enumerate(known) if (image == other).all()), 5) for image in images])


def test_augmentations_are_drawn_alike() -> None:
    count, rng = 4000, np.random.default_rng(0)
    square = rng.permutation(33 * 33).reshape(33, 33).astype(np.float32)
    spot = np.zeros((33, 33), np.uint8)
    spot[15:18, 27:30] = 1  # right of the middle
    plain = [training.augmented(square, spot, IGNORE, rng) for _ in range(count)]
    maps = torch.from_numpy(Augment().matrices(count, rng))
    tensors = (torch.from_numpy(square).expand(count, 1, -1, -1), torch.from_numpy(spot).expand(count, -1, -1))
    images, labels = Augment()(*tensors, IGNORE, maps)
    both = [(np.stack([p[0] for p in plain]), np.stack([p[1] for p in plain])), (images[:, 0].numpy(), labels.numpy())]
    chances = np.array([0.25, 0.125, 0.125, 0.125, 0.125, 0.25])
    error = np.sqrt(chances * (1 - chances) / count)
    for moved, spots in both:
        kind = kinds(moved, square)
        # a turn by a fraction of a degree moves no pixel
        assert (np.abs(np.bincount(kind, minlength=6) / count - chances) < 4 * error + 0.01).all()
        angles = [np.degrees(np.arctan2(*(np.argwhere(s == 1).mean(axis=0) - 16))) for s in spots[kind == 5]]
        assert np.abs(np.quantile(angles, [0.05, 0.25, 0.5, 0.75, 0.95]) - [-18, -10, 0, 10, 18]).max() < 2.5
        assert (spots == IGNORE).any(axis=(1, 2)).sum() == pytest.approx((kind == 5).sum(), rel=0.1)


def test_the_contrastive_loss_is_the_same() -> None:
    rng = np.random.default_rng(0)
    patient, volume = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), np.array([0, 0, 1, 2, 3, 3, 4, 4, 4])
    z = torch.from_numpy(rng.normal(size=(18, 16)))
    groups = relate(torch.from_numpy(patient), torch.from_numpy(volume), torch.arange(9))
    mine = total_loss(z, groups, Weights(1.0, 0.05, 0.35, 0.0), encoder.TEMPERATURE)
    plain = encoder.loss(z, patient.tolist(), volume.tolist(), (1.0, 0.05, 0.35))
    assert mine.item() == pytest.approx(plain.item(), rel=1e-6)


@pytest.mark.parametrize("labelled", [0, 3])
def test_picks_by_the_embedding_are_equal(labelled: int) -> None:
    features = clustered(60, 32, np.random.default_rng(0), groups=7)
    metric = selection.embedded(features)
    centres, rest = np.arange(labelled), np.arange(labelled, 60)
    picks, _ = k_center_greedy(features, centres, rest, 20, first=None if labelled else 0)
    assert picks.tolist() == selection.k_centre(metric, centres.tolist(), rest.tolist(), 20)
    covered = max(min(metric(x, c) for c in picks) for x in range(60))
    assert cover_radius(features, picks) == pytest.approx(covered)


def test_picks_by_the_fused_metric_are_equal() -> None:
    rng = np.random.default_rng(0)
    features, labels = clustered(60, 32, rng, groups=7), scribbles(60, 32, rng)
    images = rng.random((60, 1, 32, 32), dtype=np.float32)
    marks = {c: labels[c] != IGNORE for c in range(5)}
    metric = selection.Fused(images[:, 0], features, marks, float(np.mean([m.sum() for m in marks.values()])))
    picks = PixelFusion().select(view_of(features, images, labels, np.arange(5)), 20, rng).positions
    assert picks.tolist() == selection.k_centre(metric, range(5), range(5, 60), 20)


def test_dice_is_equal() -> None:
    rng = np.random.default_rng(0)
    prediction, truth = rng.integers(0, 3, (2, 4, 16, 16)).astype(np.uint8)
    assert training.volume_dice(prediction, truth, 4) == pytest.approx(dice_scores(prediction, truth, 4), nan_ok=True)


MEASURES: dict[str, scoring.Measure] = {
    "entropy": scoring.entropy,
    "variance_ratio": scoring.variance_ratio,
    "bald": scoring.bald,
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("source", ["members", "dropout"])
def test_uncertainties_are_equal(name: Any, source: str) -> None:
    view = SyntheticView.make(members=5)
    given = view.members if source == "members" else view.dropout
    # "auto" is the members where there are several
    score = Score(name=name, source="dropout" if source == "dropout" else "auto", passes=len(view.dropout))
    plain = [MEASURES[name](list(given[:, i])) for i in view.unlabelled]
    np.testing.assert_allclose(score.of(view, np.random.default_rng(0)), plain, rtol=1e-4, atol=1e-6)


def test_scores_of_an_ensemble_are_equal() -> None:
    torch.manual_seed(0)
    networks = [UNet(widths=WIDTHS, dropouts=STILL).build(1, 4).placed("cpu").eval() for _ in range(3)]
    others = [copy_weights(PlainUNet(4, False, widths=WIDTHS, dropouts=STILL), network) for network in networks]
    images = np.random.default_rng(0).random((6, 1, 32, 32), dtype=np.float32)
    slices = Slices(slice_table(6), images, np.arange(6))
    ensemble = Ensemble([Member(network, 0.5, 1) for network in networks], "cpu")
    view = Signals(
        slices=slices,
        labelled=np.arange(1),
        unlabelled=np.arange(1, 6),
        classes=4,
        round=1,
        rounds=2,
        device="cpu",
        ensemble=ensemble,
    )
    ours = Score(name="entropy").of(view, np.random.default_rng(0))
    plain = [scoring.members_score(scoring.entropy, others, image[0], "cpu") for image in images[1:]]
    np.testing.assert_allclose(ours, plain, rtol=1e-4)


# --- the program ------------------------------------------------------------------------------------------------------


def test_floors_take_the_slower_of_bytes_and_operations() -> None:
    ceilings = Ceilings(copy=10.0, read=20.0, matmul=100.0, half=400.0)
    assert ceilings.floor(60, 200) == Floor(60, 200, 6.0)
    assert ceilings.floor(60, 200, reads=True).seconds == 3.0
    assert ceilings.floor(10, 2000).seconds == 20.0
    assert ceilings.floor(10, 2000, half=True).seconds == 5.0


def test_a_row_tells_ratio_share_and_change() -> None:
    row = Row("step", "8^2", "a step", ours=0.002, baseline=0.05, floor=Floor(1, 1, 0.001), target=">= 20x", met=True)
    cells = dict(zip(table.HEAD, table.line("mine", row, {("mine", "step", "8^2"): 0.004}), strict=True))
    told = [cells[name] for name in ("ours", "baseline", "ratio", "before", "share", "met")]
    assert told == ["2 ms", "50 ms", "25x", "2.00x", "50%", "yes"]
    assert table.line("mine", Row("step", "8^2", "a step", 1.0), {})[4:-1] == ("",) * 7
    lines = table.plain([tuple(cells.values())])
    assert len(lines) == 2 and lines[1].index("a step") == lines[0].index("what") + len("step, ")


def test_medians_are_taken_in_turn(tmp_path: Path) -> None:
    order: list[str] = []

    def taking(name: str, seconds: list[float]) -> Callable[[], float]:
        return lambda: order.append(name) or seconds.pop()

    bench = Bench("cpu", 1, False, Ceilings(1, 1, 1), tmp_path, repeats=3)
    assert bench.both(taking("a", [5.0, 1.0, 2.0]), taking("b", [9.0, 3.0, 3.0])) == (2.0, 3.0)
    assert order == ["a", "b"] * 3


def test_peak_memory_sees_what_is_gone_again() -> None:
    with peak_memory() as peak:
        np.ones(8_000_000).sum()
        added = peak()
    if added is None:
        pytest.skip("this system does not say")
    assert added > 50e6


def test_packed_data_come_back(tmp_path: Path) -> None:
    folder = prepare(Phantom(patients=3, size=48), None, Prepare(size=16), Store(tmp_path))
    count = pack(folder, tmp_path / "small.npz", cases=4)
    before, after = Prepared.open(folder), Prepared.open(unpack(tmp_path / "small.npz", tmp_path / "again"))
    assert after.cases == before.cases[:4] and len(after.base) == count < len(before.base)
    span = before.base[:count].max() - before.base[:count].min()
    np.testing.assert_allclose(after.base, before.base[:count], atol=float(span) / 500)
    vaults = Vault(folder, before), Vault(tmp_path / "again", after)
    masks, native = zip(
        *(
            (v.masks(np.arange(count), "test", "test masks"), v.native_mask(before.cases[3].case, "test", "test masks"))
            for v in vaults
        ),
        strict=True,
    )
    assert (masks[0] == masks[1]).all() and (native[0] == native[1]).all()


@pytest.mark.slow
def test_a_subject_is_measured_shown_kept_and_compared_with_the_last_time(tmp_path: Path) -> None:
    command = [sys.executable, str(PERF), "--only", "encoder", "--sizes", "16", "--repeats", "1", "--threads", "1"]
    first, second = (
        subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, cwd=PERF.parents[1])
        for _ in range(2)
    )
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert len(records) == 2
    assert records[0]["machine"] == records[1]["machine"] and records[0]["threads"] == 1
    then, now = (record["rows"][0] for record in records)
    assert now["subject"] == "encoder" and now["ratio"] == pytest.approx(now["baseline"] / now["ours"])
    assert now["floor"]["operations"] > 0
    change = f"{then['ours'] / now['ours']:.2f}x"
    assert change in second.stdout.split("note")[0] and "encoder" in first.stdout
