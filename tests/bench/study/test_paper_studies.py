"""The studies of the paper's tables and figures: what they ask for, and that every one of them runs, scaled down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from alseg_core.config import RunConfig
from alseg_core.embed.contrastive import Contrastive
from alseg_core.errors import ConfigError
from alseg_core.metric_learning.views import TwoViews
from alseg_core.models import NETWORKS
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.study import Study, catalogue, find
from bench.study.job import Job, RunEnded
from tests.conftest import network_trainer

BASELINES = {
    "random",
    "coreset",
    "core_gcn",
    "typiclust",
    "stochastic_batches",
    "vaal",
    "variance_ratio",
    "bald",
}
LOW = (0.01, 0.02, 0.03, 0.04, 0.05)
WHOLE = (*LOW, 0.10, 0.15, 0.20, 0.40)
# study -> datasets, annotations, budgets, the recipe of the method and its weights of the four losses
TABLES: dict[str, tuple[set[str], set[str], tuple[float, ...], str, tuple[float, ...]]] = {
    "paper_acdc_weak": ({"acdc"}, {"scribble"}, WHOLE, "gcl_coreset", (1, 0.05, 0.35, 0)),
    "paper_acdc_full": ({"acdc"}, {"mask"}, WHOLE, "gcl_coreset", (1, 0.05, 0.35, 0)),
    "paper_mscmr_weak": ({"mscmr"}, {"scribble"}, WHOLE, "gcl_coreset_volume", (1, 0, 0.35, 0)),
    "paper_chaos_full": ({"chaos"}, {"mask"}, WHOLE, "gcl_coreset_volume", (1, 0, 0.35, 0)),
    "paper_davis_full": ({"davis"}, {"mask"}, (0.1, 0.2, 0.3, 0.4), "gcl_coreset_volume", (1, 0, 0.35, 0)),
    "paper_pretrained": ({"acdc", "chaos"}, {"mask"}, LOW, "gcl_coreset_patient", (0, 1, 0, 0)),
    "paper_pretrained_davis": ({"davis"}, {"mask"}, LOW, "gcl_coreset_patient", (0, 1, 0, 0)),
}
STUDIES = sorted(name for name in catalogue("study") if name.startswith("paper_"))
PRETRAINED = [name for name in STUDIES if name.startswith("paper_pretrained")]


def runs(name: str, folder: Path, *settings: str) -> list[RunConfig]:
    given = [f"train.mask.network.weights={folder / 'weights.pth'}"] if name in PRETRAINED else []
    return Study.find(name, [f"data={folder}", *given, *settings]).runs()


def weights(run: RunConfig) -> tuple[float, ...]:
    embed = run.describe()["recipe"]["embed"]
    return tuple(embed[f"w_{loss}"] for loss in ("ntxent", "patient", "volume", "slice"))


@pytest.mark.parametrize("name", TABLES)
def test_tables_compare_the_published_methods(name: str, tmp_path: Path) -> None:
    datasets, annotations, budgets, method, losses = TABLES[name]
    found = runs(name, tmp_path)
    assert {r.dataset.name for r in found} == datasets
    assert {r.annotation_name for r in found} == annotations
    assert {r.budgets for r in found} == {budgets}
    assert {r.recipe.name for r in found} == {*BASELINES, method}
    assert {r.members for r in found} == {5} and {r.seed for r in found} == set(range(5))
    assert len(found) == len(datasets) * 9 * 5
    assert {weights(r) for r in found if r.recipe.name == method} == {losses}
    assert {r.describe()["recipe"]["strategy"]["passes"] for r in found if r.recipe.name == "bald"} == {40}
    for run in found:
        embed = run.describe()["recipe"]["embed"]
        if embed is not None and embed["name"] == "contrastive":
            assert (embed["epochs"], embed["image_size"], embed["init"]) == (100, 256, "imagenet")
        assert run.dataset.prepare.size == 256


@pytest.mark.parametrize("name", ["paper", *STUDIES])
def test_encoders_are_trained_to_the_end(name: str, tmp_path: Path) -> None:
    """As published: no encoder stops before its last epoch."""
    embeds = [run.recipe.embed for run in runs(name, tmp_path, "seeds=1")]
    trained = [embed for embed in embeds if isinstance(embed, Contrastive)]
    assert trained and all(embed.patience >= embed.epochs == 100 for embed in trained)


def test_the_released_variant_is_trained_to_the_end(tmp_path: Path) -> None:
    (run,) = Study.load({"name": "s", "datasets": ["phantom"], "recipes": ["gcl_as_released"]}).runs()
    assert isinstance(run.recipe.embed, Contrastive) and run.recipe.embed.patience >= 100 >= run.recipe.embed.epochs


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_studies_ask_for_their_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is computed, wherever the command is given, and never a random start in silence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="initial weights is missing.*--set train.mask.network.weights=FILE"):
        Study.find(name, [f"data={tmp_path}"]).runs()
    with pytest.raises(ConfigError, match="weights.pth, not usable: .*No such file"):
        runs(name, tmp_path)[0].check()


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_training_is_the_published_one(name: str, tmp_path: Path) -> None:
    for run in runs(name, tmp_path):
        train, described = network_trainer(run), run.describe()["train"]
        assert described["network"]["name"] == "unet_resnet50" and described["network"]["weights"]
        assert (train.optimiser, train.lr, train.batch, train.epochs, train.clip_norm) == ("adam", 1e-4, 8, 50, 1)
        assert (described["loss"]["w_ce"], described["loss"]["w_dice"]) == (1, 1)
        assert train.iterations(29, 0.02) == 50 * 4
        assert [train.lr * (1 - s / 10) ** train.power for s in range(10)] == [1e-4] * 10


def test_ablation_has_every_combination_of_losses_once(tmp_path: Path) -> None:
    combinations = {
        run.recipe.name: tuple(w > 0 for w in weights(run))
        for run in runs("paper_ablation", tmp_path)
        if run.recipe.name != "random"
    }
    assert len(combinations) == len(set(combinations.values())) == 2**4 - 1
    assert (False, False, False, False) not in combinations.values()


# the authors' weights (NT-Xent, patient, volume, slice) of each combination that they ran
AUTHORS = {
    "ntxent_coreset": (1, 0, 0, 0),
    "gcl_coreset_patient": (0, 1, 0, 0),
    "gcl_ablation_v": (0, 0, 1, 0),
    "gcl_ablation_s": (0, 0, 0, 1),
    "gcl_ablation_np": (1, 0.35, 0, 0),
    "gcl_coreset_volume": (1, 0, 0.35, 0),
    "gcl_ablation_ns": (1, 0, 0, 0.35),
    "gcl_ablation_pv": (0, 0.5, 0.5, 0),
    "gcl_ablation_vs": (0, 0, 0.5, 0.5),
    "gcl_coreset": (1, 0.05, 0.35, 0),
    "gcl_ablation_pvs": (0, 0.33, 0.33, 0.33),
    "gcl_ablation_npvs": (1, 0.1, 0.2, 0.05),
}


def test_ablation_has_the_authors_weights_and_batches_that_do_not_follow_them(tmp_path: Path) -> None:
    found = [run for run in runs("paper_ablation", tmp_path, "seeds=1") if run.recipe.name != "random"]
    assert {run.recipe.name: weights(run) for run in found if run.recipe.name in AUTHORS} == AUTHORS
    others = {run.recipe.name for run in found} - set(AUTHORS)
    assert others == {"gcl_ablation_ps", "gcl_ablation_nps", "gcl_ablation_nvs"}
    assert all("weights are ours" in find("recipe", name)["summary"] for name in others)
    assert {run.describe()["recipe"]["embed"]["batches"] for run in found} == {"patient_mates"}


@pytest.mark.parametrize("name", sorted({"paper", *STUDIES} - {"paper_ablation"}))
def test_the_published_method_keeps_its_encoder(name: str, tmp_path: Path) -> None:
    trained = [run.recipe.embed for run in runs(name, tmp_path, "seeds=1")]
    for embed in trained:
        if isinstance(embed, Contrastive):
            published = (embed.negatives, embed.batches, embed.first_conv, embed.normalise, embed.encoder_seed)
            assert published == ("all", "by_losses", "fresh", False, None)
            assert embed.views == TwoViews()


def test_cost_study_runs_the_3d_reference_once(tmp_path: Path) -> None:
    kinds = [(r.recipe.name, r.annotation_name) for r in runs("paper_cost", tmp_path) if r.seed == 0]
    assert sorted(kinds) == [
        ("gcl_coreset", "mask"),
        ("gcl_coreset", "scribble"),
        ("random", "mask"),
        ("random", "scribble"),
        ("random_3d", "mask"),
    ]


def scaled_down(name: str, tiny: dict[str, Any], folder: Path) -> list[RunConfig]:
    """The study on a tiny phantom: its own recipes, annotations and trainings, everything a few steps long."""
    dataset = {**tiny["dataset"], "prepare": {"size": 32}}
    preset = {key: dataset.pop(key) for key in ("prepare", "split")}
    dataset["presets"] = {"paper": {**preset, "budgets": [4, 7]}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(dataset))
    settings = [
        f"datasets={folder / 'tiny.yaml'}",
        "schedules={default: [4, 7]}",
        "seeds=1",
        "members=1",
        "resources.cpus=1",
        "resources.gpus=0",
        "evaluate.surface=false",
        "components.vaal={epochs: 1, size: 8}",
        "components.contrastive={epochs: 1, image_size: 16, init: random}",
        "components.bald.passes=2",
        "components.core_gcn.epochs=2",
    ]
    if name in PRETRAINED:
        encoder = NETWORKS.build("unet_resnet50").build(3, 2).encoder
        torch.save(encoder.state_dict(), folder / "r50.pth")
        settings += ["train.mask.epochs=1", f"train.mask.network.weights={folder / 'r50.pth'}"]
    else:
        small = "{iterations_full: 20, network: {widths: [4, 8], dropouts: [0.1, 0.1]}}"
        settings += [
            f"train.{kind}={small}"
            for kind in sorted({annotation["name"] for annotation in Study.find(name).annotations})
        ]
    return Study.find(name, settings).runs()


@pytest.mark.parametrize(
    "name", [name if name == "paper_cost" else pytest.param(name, marks=pytest.mark.slow) for name in STUDIES]
)
def test_every_run_of_the_study_finishes(name: str, tiny: dict[str, Any], tmp_path: Path) -> None:
    configs = scaled_down(name, tiny, tmp_path)
    assert {c.recipe.name for c in configs} == set(Study.find(name).recipes)
    jobs = [Job.of(config, tmp_path / name) for config in configs]
    failures: dict[str, str | None] = {}

    def tell(key: str, event: object) -> None:
        if isinstance(event, RunEnded):
            failures[key] = event.failure

    for config in configs:
        config.check()
    LocalLauncher().run(jobs, Policy(tmp_path, tmp_path / "store"), tell)
    assert failures == {job.key: None for job in jobs}
    assert all(job.finished() for job in jobs)
