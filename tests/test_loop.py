"""Whole experiments on a tiny phantom: what is recorded, and that a run can be cut off anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from alseg_core import checkpoint, loop
from alseg_core.config import RunConfig
from alseg_core.embed.embedder import CPU_SECONDS
from alseg_core.errors import ConfigError, DataError, ResultsError
from alseg_core.events import Event, Noticed, Progress, RoundFinished, RunStarted
from alseg_core.intact import seal
from alseg_core.material import open_material
from alseg_core.material import plan as plan_of
from alseg_core.models import NETWORKS
from alseg_core.pool import Pool
from alseg_core.results import RunFolder
from alseg_core.round_training import RoundTraining
from alseg_core.store import Store, digest
from alseg_core.strategies.strided import Strided
from alseg_core.training import NetworkTrainer
from alseg_core.vocabulary import RoundRecord, Selection

RECIPES: dict[str, dict[str, Any]] = {
    "random": {"strategy": "random"},
    "entropy": {"strategy": "entropy"},
    "bald": {"strategy": {"name": "bald", "passes": 3}},
    "coreset_task": {"strategy": "coreset", "embed": "task_net"},
    "gcl_coreset": {
        "strategy": "coreset",
        "embed": {"name": "contrastive", "init": "random", "epochs": 1, "image_size": 16},
    },
    "pixel_fusion": {"strategy": "pixel_fusion", "embed": "pixels"},
    "clasp_pe": {"strategy": {"name": "clasp_pe", "beta_first": 0.01, "beta_last": 10000}},  # by chance, then the best
    "badge": {"strategy": "badge"},
    "vaal": {"strategy": {"name": "vaal", "size": 8, "latent": 4, "epochs": 2}},
    "core_gcn": {"strategy": {"name": "core_gcn", "hidden": 8, "epochs": 5}, "embed": "task_net"},
    "oracle_greedy": {"strategy": "oracle_greedy"},
}


def entries(record: RoundRecord, field: str, what: str) -> list[Any]:
    """One field of the entries of the ledger about one kind of label."""
    return [entry[field] for entry in record.ledger if entry["what"] == what]


class Stop(Exception):
    """Raised by a listener to cut a run off."""


def same(first: list[Any], second: list[Any], but: str = "") -> None:
    """Equal in everything but the time it took. but: a signal that may differ."""
    for a, b in zip(first, second, strict=True):
        timed = {but: None, "encoder_seconds": 0, CPU_SECONDS: 0}
        assert {**a.signals, **timed} == {**b.signals, **timed}
        for name in ("selected", "labelled", "cost", "cover_radius", "members", "best", "volumes", "summary", "ledger"):
            assert getattr(a, name) == getattr(b, name), name


@pytest.mark.parametrize("recipe", RECIPES)
def test_cut_off_at_any_event_and_continued(recipe: str, tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["recipe"] = {"name": recipe, **RECIPES[recipe]}
    config = RunConfig.load(tiny)
    events: list[Event] = []
    whole = loop.run(config, tmp_path / "whole", Store(tmp_path / "store"), [events.append])
    assert isinstance(events[0], RunStarted)
    assert [e.record for e in events if isinstance(e, RoundFinished)] == whole
    rng = np.random.default_rng(0)
    for cut in rng.integers(1, len(events), 2):
        count = 0

        def stop(event: Event, cut: int = cut) -> None:
            nonlocal count
            count += 1
            if count > cut:
                raise Stop

        folder = tmp_path / f"cut{cut}"
        with pytest.raises(Stop):
            loop.run(config, folder, Store(tmp_path / f"store{cut}"), [stop])
        finished = len((folder / "rounds.jsonl").read_text().splitlines()) if (folder / "rounds.jsonl").exists() else 0
        again: list[Event] = []
        same(loop.run(config, folder, Store(tmp_path / f"store{cut}"), [again.append]), whole)
        assert sum(isinstance(e, RoundFinished) for e in again) == len(whole) - finished  # none is done twice
    assert not list((tmp_path / "whole").glob("state_*"))


def test_a_killed_process_continues_with_the_same_picks(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["recipe"] = {"name": "entropy", "strategy": "entropy"}
    tiny["train"]["iterations_full"] = 200
    config = RunConfig.load(tiny)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(config.describe()))))
    whole = loop.run(config, tmp_path / "whole", Store(tmp_path / "store"))
    command = [sys.executable, "-m", "alseg_core", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "killed")]
    rounds = tmp_path / "killed" / config.key / "rounds.jsonl"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not rounds.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 1 <= len(rounds.read_text().splitlines()) < len(whole)
    same(loop.run(config, rounds.parent, Store(tmp_path / "killed" / "store")), whole)


def interrupted(config: RunConfig, folder: Path, store: Store, rounds: int) -> list[RoundRecord]:
    """Run until ``rounds`` rounds are finished; return them."""

    def stop(event: Event) -> None:
        if isinstance(event, RoundFinished) and event.record.round + 1 == rounds:
            raise Stop

    with pytest.raises(Stop):
        loop.run(config, folder, store, [stop])
    return RunFolder(folder).records()


@pytest.mark.parametrize(("recipe", "members"), [("random", 1), ("coreset_task", 2)])
def test_lost_models_are_trained_again_to_the_bit(
    recipe: str, members: int, tiny: dict[str, Any], tmp_path: Path
) -> None:
    config = RunConfig.load({**tiny, "members": members, "recipe": {"name": recipe, **RECIPES[recipe]}})
    store = Store(tmp_path / "store")
    whole = loop.run(config, tmp_path / "whole", store)
    for done in (1, 2):
        folder = tmp_path / f"cut{done}"
        before = interrupted(config, folder, store, done)
        state = folder / f"state_{done - 1}.pt"
        weights = seal(state)
        state.unlink()
        seen: list[Any] = []

        def listen(event: Event, seen: list[Any] = seen, state: Path = state) -> None:
            if isinstance(event, Noticed):
                seen.append(event.text)
            elif isinstance(event, Progress) and event.phase == "select":
                seen.append(seal(state) if state.exists() else None)

        records = loop.run(config, folder, store, [listen])
        assert seen[0] == f"{state.name} is missing; the networks of round {done} are trained again from its labels"
        assert seen[1] == weights == before[-1].files[state.name]
        assert records[:done] == before
        same(records, whole, but="training")


def test_every_round_says_whose_it_is_and_what_made_it(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, store = RunConfig.load({**tiny, "seed": 3}), Store(tmp_path / "store")
    monkeypatch.setattr("alseg_core.provenance.code", lambda: {"alseg": "1.0", "commit": "aaa"})
    interrupted(config, tmp_path / "run", store, 1)
    environment = (tmp_path / "run" / "environment.json").read_text()
    monkeypatch.setattr("alseg_core.provenance.code", lambda: {"alseg": "1.0", "commit": "bbb"})
    notices: list[str] = []
    records = loop.run(
        config, tmp_path / "run", store, [lambda e: notices.append(e.text) if isinstance(e, Noticed) else None]
    )
    assert notices == [
        "round 2 is made by other code or on another machine than the one before (commit aaa to bbb); the report warns "
        "of it"
    ]
    assert [r.made_by["commit"] for r in records] == ["aaa", "bbb", "bbb"]
    assert records[0].made_by == {"alseg": "1.0", "commit": "aaa", "torch": torch.__version__, "device": "cpu"}
    assert (tmp_path / "run" / "environment.json").read_text() == environment  # that of the first round
    key = open_material(config, store).prepared.key
    assert {(r.seed, r.fingerprint, r.data_key) for r in records} == {(3, config.fingerprint, key)}
    sealed = {"config.json", "environment.json", "examples.npz", "selected.npz", "state_2.pt"}
    assert set(records[-1].files) == sealed


def test_the_record_tells_the_round(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.load({**tiny, "members": 2})
    progress: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            progress.append(event.run_fraction)

    records = loop.run(config, tmp_path / "run", Store(tmp_path / "store"), [listen])
    plan = plan_of(config, Store(tmp_path / "store"))
    assert [r.labelled for r in records] == list(plan.budgets) == [3, 6, 8]
    assert progress == sorted(progress) and progress[-1] == 1
    picked = [(s["case"], s["z"]) for r in records for s in r.selected]
    assert len(set(picked)) == len(picked) == 8
    for before, record in zip([None, *records], records, strict=False):
        assert record.cost == pytest.approx(record.labelled / 15)
        assert len(record.members) == 2
        assert record.summary["validation_dice"] == max(m["validation_dice"] for m in record.members)
        assert len(record.volumes) == plan.test_volumes * 3
        bought = {e["what"]: (e["slices"], e["cost"]) for e in record.ledger}
        new = record.labelled - (before.labelled if before else 0)
        assert bought["training labels"] == (new, pytest.approx(new / 15))
        assert bought["validation masks"] == (plan.val_slices, 0 if before else plan.val_slices)  # bought once
        pictures = plan.test_volumes if record is records[-1] else 0  # a slice of each
        assert sum(entries(record, "slices", "test masks")) == plan.test_slices + pictures
    assert records[0].cover_radius >= records[-1].cover_radius > 0
    pictures = np.load(tmp_path / "run" / "examples.npz", allow_pickle=False)
    assert pictures["image"].shape == pictures["truth"].shape == pictures["prediction"].shape
    chosen = np.load(tmp_path / "run" / "selected.npz", allow_pickle=False)
    assert [*zip(chosen["case"], chosen["z"], strict=True)] == picked[:3]
    for label, position in zip(chosen["label"], range(3), strict=True):
        assert 0 < (label != 255).sum() <= records[0].marked, position
    assert [r.marked for r in records] == sorted(r.marked for r in records)
    assert all(0 < r.foreground < r.marked for r in records)
    facts = json.loads((tmp_path / "run" / "environment.json").read_text())["data"]
    assert facts["slices"]["train"] == plan.pool and facts["iterations"] == list(plan.iterations)
    assert facts["patients"]["test"] == 1 and facts["data_key"] == plan.data_key


def test_scores_of_validation_volumes_leave_test_labels_sealed(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.load({**tiny, "evaluate": {"part": "val"}, "keep_network": True})
    store = Store(tmp_path / "store")
    records = loop.run(config, tmp_path / "run", store)
    material = open_material(config, store)
    assert {str(row["case"]) for record in records for row in record.volumes} == set(material.split.val)
    assert {entry["what"] for record in records for entry in record.ledger} == {"training labels", "validation masks"}
    assert sum(cost for r in records for cost in entries(r, "cost", "validation masks")) == len(
        material.prepared.slices(material.split.val)
    )
    assert set(np.load(tmp_path / "run" / "examples.npz")["case"]) == set(material.split.val)
    # on the native grid the scores are near those by which the network was chosen, on its own grid
    assert records[-1].summary["dice"] == pytest.approx(records[-1].summary["validation_dice"], abs=0.1)


def test_a_kept_network_predicts_what_was_scored(tiny: dict[str, Any], tmp_path: Path) -> None:
    plain = RunConfig.load(tiny)
    config = RunConfig.load({**tiny, "keep_network": True})
    assert config.fingerprint == plain.fingerprint
    store = Store(tmp_path / "store")
    loop.run(config, tmp_path / "run", store)
    loop.run(plain, tmp_path / "plain", store)
    network = checkpoint.load(tmp_path / "run")
    pictures = np.load(tmp_path / "run" / "examples.npz", allow_pickle=False)
    prepared = open_material(config, store).prepared
    for case, z, kept in zip(pictures["case"], pictures["z"], pictures["prediction"], strict=True):
        images = torch.from_numpy(prepared.slices([str(case)]).images(np.array([z])))
        with torch.inference_mode():
            assert (network(images).argmax(dim=1)[0].numpy() == kept).all()
    with pytest.raises(ResultsError, match="keep_network: true"):
        checkpoint.load(tmp_path / "plain")


def test_uncertainty_starts_where_random_starts(tiny: dict[str, Any], tmp_path: Path) -> None:
    first = []
    for recipe in ("random", "entropy"):
        tiny["recipe"] = {"name": recipe, **RECIPES[recipe]}
        config = RunConfig.load({**tiny, "budgets": [3]})
        first.append(loop.run(config, tmp_path / recipe, Store(tmp_path / "store")))
    assert first[0][0].selected == first[1][0].selected
    assert first[0][0].summary == first[1][0].summary


def test_full_masks_train_the_plain_unet(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["annotation"] = "mask"
    tiny["train"] |= {"network": {"name": "unet", "widths": [4, 8], "dropouts": [0, 0]}, "loss": "ce_dice"}
    records = loop.run(RunConfig.load(tiny), tmp_path / "run", Store(tmp_path / "store"))
    assert [r.cost for r in records] == [3, 6, 8]


def test_annotation_that_the_data_cannot_give_stops_before_training(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.load({**tiny, "annotation": {"name": "scribble", "source": "given"}})
    with pytest.raises(DataError, match="'given' needs training cases with scribbles; none for phantom"):
        loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    assert not (tmp_path / "run").exists()


def test_budget_larger_than_the_pool_stops_before_training(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.load({**tiny, "budgets": [3, 4000]})
    with pytest.raises(ConfigError, match="4000 slices, more than the"):
        loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    assert not (tmp_path / "run").exists()


def test_recipes_that_start_alike_train_once(tiny: dict[str, Any], tmp_path: Path) -> None:
    def records(recipe: str, store: str, **fields: Any) -> list[Any]:
        settings = {**tiny, "members": 2, "budgets": [3, 6], "recipe": {"name": recipe, **RECIPES[recipe]}, **fields}
        config = RunConfig.load(settings)
        return loop.run(config, tmp_path / f"{store}-{config.key}", Store(tmp_path / store))

    first = records("random", "store")
    assert first[0].signals["training"] == "own"
    for recipe in ("entropy", "bald", "coreset_task"):
        found, fresh = records(recipe, "store"), records(recipe, f"store-{recipe}")
        assert (found[0].signals["training"], fresh[0].signals["training"]) == ("shared", "own")
        same(found, fresh, but="training")
        assert found[0].members == first[0].members and "training" not in found[1].signals
    assert len(list((tmp_path / "store" / "training").glob("*/member.pt"))) == 2
    assert "training" not in records("gcl_coreset", "store")[0].signals  # its slices are its own
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"annotation": {"name": "scribble", "length": 0.5}},
        {"train": {**tiny["train"], "lr": 0.02}},
    ]
    for other in others:
        assert records("random", "store", **other)[0].signals["training"] == "own"
    assert len(list((tmp_path / "store" / "training").glob("*/member.pt"))) == 2 + 2 * len(others)


def test_a_shared_first_round_takes_the_time_of_its_training(tiny: dict[str, Any], tmp_path: Path) -> None:
    def seconds(recipe: str) -> float:
        settings = {**tiny, "members": 2, "budgets": [3], "recipe": {"name": recipe, **RECIPES[recipe]}}
        config = RunConfig.load(settings)
        (record,) = loop.run(config, tmp_path / recipe, Store(tmp_path / "store"))
        return float(record.seconds["train"])

    tiny["train"]["iterations_full"] = 800  # long enough that finding it takes a small part of the time
    trained, found = seconds("random"), seconds("entropy")
    assert found == pytest.approx(trained, rel=0.5)


def test_choosing_counts_the_time_of_computing_and_not_of_waiting(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = Strided.select

    def after_a_nap(*given: Any) -> Selection:
        time.sleep(0.5)
        return select(*given)

    monkeypatch.setattr(Strided, "select", after_a_nap)
    tiny["recipe"] = {"name": "strided", "strategy": "strided"}
    records = loop.run(RunConfig.load(tiny), tmp_path / "run", Store(tmp_path / "store"))
    assert len(records) == 3
    for record in records:
        assert set(record.cpu_seconds) == {"select"}  # there is no embedding
        assert record.cpu_seconds["select"] < 0.25 < 0.5 <= record.seconds["select"]
    ended = [datetime.strptime(str(record.ended), "%Y-%m-%dT%H:%M:%SZ") for record in records]
    assert ended == sorted(ended) and abs(ended[-1] - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)


def test_an_encoder_from_the_store_counts_once_with_what_its_training_took(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    tiny["recipe"] = {"name": "gcl_coreset", **RECIPES["gcl_coreset"]}
    store = Store(tmp_path / "store")
    trained = loop.run(RunConfig.load(tiny), tmp_path / "trained", store)
    found = loop.run(RunConfig.load({**tiny, "members": 2}), tmp_path / "found", store)
    made = float(str(trained[0].signals[CPU_SECONDS]))
    for first, *later in (trained, found):
        assert first.cpu_seconds["embed"] >= made > 0
        assert all(0 <= record.cpu_seconds["embed"] < made for record in later)


def test_a_run_that_finds_what_it_trained_itself_says_so(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Cut off after its training is kept and before the round is on disk."""
    config = RunConfig.load({**tiny, "members": 2})
    whole = loop.run(config, tmp_path / "whole", Store(tmp_path / "store"))

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.phase.startswith("evaluate"):
            raise Stop

    store = Store(tmp_path / "other")
    with pytest.raises(Stop):
        loop.run(config, tmp_path / "cut", store, [stop])
    assert len(list((tmp_path / "other" / "training").glob("*/member.pt"))) == 2
    assert not (tmp_path / "cut" / "rounds.jsonl").exists()
    same(loop.run(config, tmp_path / "cut", store), whole)
    assert whole[0].signals["training"] == "own"


def first_training(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the first round's training is known by once a run has bought three slices with foreground."""
    config, store = RunConfig.load(settings), Store(folder / "store")
    material = open_material(config, store)
    pool, vault = Pool(len(material.slices)), material.vault(config.evaluate.part)
    pool.add(config.annotation.annotate(vault, material.slices, np.arange(6, 9), config.seed), 0)
    training = RoundTraining(config, material, pool, store, "cpu", 0, 7, lambda done: None)
    return training.identity().key(0, pool.labels()[1])


SPLIT = {
    "name": "patients",
    "train": ["phantom001", "phantom002", "phantom003"],
    "val": ["phantom004"],
    "test": ["phantom005", "phantom006"],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["annotation"], "mask"),
        (["annotation"], {"name": "scribble", "length": 0.5}),
        (["dataset", "prepare"], {"size": 16, "crop_fraction": 0.5}),
        (["dataset", "split"], {**SPLIT, "val": ["phantom005"], "test": ["phantom004", "phantom006"]}),
        (
            ["dataset", "split"],
            {**SPLIT, "train": ["phantom002", "phantom003", "phantom005"], "test": ["phantom001", "phantom006"]},
        ),
        (["threads"], 2),
        (["seed"], 1),
        (["train", "lr"], 0.02),
        (["train", "validate_every"], 6),
        (["train", "network", "dropouts"], [0.1, 0.3]),
    ],
)
def test_no_first_round_is_shared_where_it_would_be_another(
    path: list[str], value: Any, tiny: dict[str, Any], tmp_path: Path
) -> None:
    tiny["dataset"]["split"] = SPLIT
    tiny["train"] |= {"network": {"name": "unet", "widths": [4, 8], "dropouts": [0, 0]}, "loss": "ce_dice"}
    before = first_training(tiny, tmp_path)
    recipe = first_training({**tiny, "recipe": {"name": "entropy", "strategy": "entropy"}, "budgets": [3]}, tmp_path)
    assert recipe == before
    *parents, last = path
    at = tiny
    for parent in parents:
        at = at[parent]
    at[last] = value
    assert digest(first_training(tiny, tmp_path)) != digest(before)


def test_a_first_round_of_older_training_code_is_not_found(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = first_training(tiny, tmp_path)
    monkeypatch.setattr(NetworkTrainer, "format", NetworkTrainer.format + 1)
    assert digest(first_training(tiny, tmp_path)) != digest(before)


def test_weights_that_are_replaced_between_rounds_stop_the_run(tiny: dict[str, Any], tmp_path: Path) -> None:
    def weights(seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        state: dict[str, Any] = NETWORKS.build("unet_resnet50").build(3, 2).encoder.state_dict()
        return state

    file = tmp_path / "r50.pth"
    torch.save(weights(0), file)
    tiny["dataset"]["prepare"]["size"] = 32
    network = {"name": "unet_resnet50", "weights": str(file)}
    tiny |= {"annotation": "mask", "budgets": [2, 3]}
    tiny["train"] = {"network": network, "loss": "ce_dice", "iterations_full": 1}
    config = RunConfig.load(tiny)

    def replace(event: Event) -> None:
        if isinstance(event, RoundFinished):
            torch.save(weights(1), file)

    with pytest.raises(ResultsError, match=r"started from file \(r50.pth, sha256 .*weights are now file \(r50.pth"):
        loop.run(config, tmp_path / "run", Store(tmp_path / "store"), [replace])
    with pytest.raises(ResultsError, match="another configuration"):
        loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    torch.save(weights(0), file)
    moved = tmp_path / "elsewhere" / "renamed.pth"
    moved.parent.mkdir()
    file.rename(moved)
    config = RunConfig.load({**tiny, "train": {**tiny["train"], "network": {**network, "weights": str(moved)}}})
    records = loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    first, second = (str(record.signals["network"]) for record in records)
    assert first.replace("r50.pth", "renamed.pth") == second


def test_whole_volumes_train_a_3d_network(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny |= {"recipe": {"name": "random_3d", "strategy": "whole_volumes"}, "annotation": "mask", "budgets": [12, 30]}
    network = {"name": "unet3d", "widths": [4, 8, 8], "window": 8}
    tiny["train"] = {"network": network, "loss": "ce_dice", "iterations_full": 20, "batch": 2}
    config = RunConfig.load(tiny)
    records = loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    assert [r.labelled for r in records] == [r.cost for r in records] == [12, 30]
    plan = plan_of(config, Store(tmp_path / "store"))
    assert [r.members[0]["iterations"] for r in records] == list(plan.iterations)
    assert len(records[1].volumes) == plan.test_volumes * 3
    seen: list[Event] = []

    def stop(event: Event) -> None:
        seen.append(event)
        if isinstance(event, RoundFinished):
            raise Stop

    with pytest.raises(Stop):
        loop.run(config, tmp_path / "cut", Store(tmp_path / "other"), [stop])
    same(loop.run(config, tmp_path / "cut", Store(tmp_path / "other")), records)


@pytest.mark.slow
def test_3d_reference_learns_the_phantom(tiny: dict[str, Any], tmp_path: Path) -> None:
    """With a third of all slices labelled it finds cavity and wall of patients it has not seen."""
    tiny["dataset"]["reader"] = {"name": "phantom", "patients": 12, "size": 64}
    tiny["dataset"]["prepare"] = {"size": 32, "spacing_mm": 3.3, "clip_percentile": [0, 99], "normalise": "minmax"}
    tiny |= {"recipe": {"name": "random_3d", "strategy": "whole_volumes"}, "annotation": "mask", "budgets": [0.35]}
    network = {"name": "unet3d", "widths": [8, 16, 32], "dropout": 0}
    tiny["train"] = {"network": network, "loss": "ce_dice", "iterations_full": 1000, "batch": 1, "lr": 0.03}
    (record,) = loop.run(RunConfig.load(tiny), tmp_path / "run", Store(tmp_path / "store"))
    assert record.summary["dice_wall"] > 0.6 and record.summary["dice_cavity"] > 0.6, record.summary
