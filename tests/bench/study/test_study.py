from __future__ import annotations

import dataclasses
import itertools
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from alseg_core.errors import ConfigError
from bench.study import Study, catalogue, overlay, parse_setting
from tests.conftest import network_trainer

QUICK = {"name": "q", "datasets": ["phantom"], "recipes": ["random"]}


def load(*settings: str, **fields: Any) -> Study:
    return Study.load({**QUICK, **fields}, settings)


def test_grid_is_the_product_in_every_part() -> None:
    study = load(
        "recipes=random entropy gcl_coreset",
        "annotations=scribble,mask",
        "seeds=2",
        schedules={"low": [0.02, 0.05], "counts": [5, 10, 20]},
    )
    runs = study.runs()
    assert len(runs) == 3 * 2 * 2 * 2
    assert len({run.key for run in runs}) == len(runs)
    assert {(r.schedule, r.budgets) for r in runs} == {("low", (0.02, 0.05)), ("counts", (5, 10, 20))}
    assert [(r.recipe.name, r.seed) for r in runs[:4]] == [
        ("random", 0),
        ("entropy", 0),
        ("gcl_coreset", 0),
        ("random", 1),
    ]


def test_each_annotation_is_trained_as_published() -> None:
    scribble, mask = load("annotations=scribble mask", "preset=paper").runs()
    weak, full = network_trainer(scribble), network_trainer(mask)
    assert type(weak.network).__name__ == "UNetDual" and type(weak.loss).__name__ == "Dmpls"
    assert full.network.name == "unet" and full.loss.name == "ce_dice"  # type: ignore[attr-defined]
    for train in (weak, full):
        assert (train.batch, train.lr, train.momentum, train.weight_decay, train.power) == (6, 0.01, 0.9, 1e-4, 0.9)
        assert (train.iterations_full, train.validate_every) == (60000, 200)


def test_study_goes_before_preset_and_set_before_study(tmp_path: Path) -> None:
    content = yaml.safe_load(catalogue("dataset")["phantom"].read_text())
    content["presets"]["quick"]["train"] |= {"iterations_full": 111, "batch": 2, "mask": {"lr": 0.5}}
    content["presets"]["quick"]["components"] = {"contrastive": {"epochs": 7, "w_volume": 0.2}}
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(content))
    study = load(
        "train.scribble.lr=0.25",
        datasets=[str(tmp_path / "d.yaml")],
        recipes=["gcl_coreset"],
        train={"scribble": {"batch": 3, "lr": 0.125}},
        components={"contrastive": {"epochs": 9}},
    )
    (run,) = study.runs()
    train = network_trainer(run)
    assert (train.iterations_full, train.batch, train.lr) == (111, 3, 0.25)
    described = run.describe()["recipe"]["embed"]
    assert (described["epochs"], described["w_volume"], described["w_patient"]) == (9, 0.2, 0.05)


def test_a_name_of_its_own_changes_nothing_else() -> None:
    for name in ("quick", "paper"):
        plain, named = (Study.find(name, ["data=/d", *more]) for more in ([], ["name=other"]))
        assert dataclasses.replace(named, name=name) == plain and named.name == "other"


EXTRAS = {"alps_dino", "coreset_dino", "prob_cover_dino", "typiclust_dino"}
"""Recipes that need an extra of the package."""
EVERY = tuple(sorted({*catalogue("recipe")} - EXTRAS, key=lambda name: (name.startswith("oracle_"), name)))
"""What ``all`` stands for."""


MAKE = [
    ([], {"preset": "quick", "datasets": ("phantom",), "seeds": (0, 1, 2, 3, 4), "name": "quick"}),
    (["DATASET=acdc", "DATA=/my scans"], {"data": "/my scans", "members": 1, "name": "quick-acdc"}),
    (["DATASET=/x/mine.yaml"], {"datasets": ("/x/mine.yaml",), "name": "quick-mine"}),
    (["DATASET=acdc chaos"], {"datasets": ("acdc", "chaos"), "name": "quick-acdc-chaos"}),
    (["PRESET=paper", "DATASET=acdc", "DATA=2024"], {"members": 5, "seeds": (0, 1, 2, 3, 4), "data": "2024"}),
    (["RECIPES=random gcl_coreset", "SEEDS=3"], {"recipes": ("random", "gcl_coreset"), "seeds": (0, 1, 2)}),
    (["STUDY=paper", "DATASET=phantom"], {"datasets": ("phantom",), "members": 5}),
    (["STUDY=paper_acdc_weak", "DATA=/d"], {"name": "paper_acdc_weak", "data": "/d", "members": 5}),
    (["RECIPES=all"], {"recipes": EVERY}),
    (["ANNOTATION=scribble mask"], {"annotations": ({"name": "scribble"}, {"name": "mask"})}),
    (["SET=members=3 schedules.low=[10,20]"], {"members": 3, "schedules": {"low": (10, 20)}}),
]


@pytest.mark.parametrize(("options", "fields"), MAKE)
def test_make_hands_its_options_on(options: list[str], fields: dict[str, Any]) -> None:
    makefile = Path(__file__).parents[3] / "Makefile"
    command = ["make", "--no-print-directory", "-n", "-f", str(makefile), "-o", ".venv/.installed", "bench", *options]
    env = {"PATH": os.environ["PATH"]}  # not what a make around this test handed down
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=makefile.parent, env=env).stdout
    line = printed.replace("\\\n", " ").strip().splitlines()[-1]
    words = shlex.split(line)
    study = words[words.index("bench") + 1]
    found = Study.find(study, [word for before, word in itertools.pairwise(words) if before == "--set"])
    for field, value in fields.items():
        assert getattr(found, field) == value, line
    assert found.components["contrastive"]["init"] == (
        "imagenet" if {"PRESET=paper", "STUDY=paper", "STUDY=paper_acdc_weak"} & {*options} else "random"
    )


def test_runs_without_a_gpu_share_stay_on_the_cpu() -> None:
    assert {run.device for run in load().runs()} == {"cpu"}
    assert {run.device for run in load("resources.gpus=0.5").runs()} == {"auto"}


def test_component_settings_leave_other_recipes_alone() -> None:
    before, _ = load("recipes=entropy bald").runs()
    entropy, bald = load("recipes=entropy bald", components={"bald": {"passes": 3}}).runs()
    assert bald.describe()["recipe"]["strategy"]["passes"] == 3
    assert entropy == before


@pytest.mark.parametrize("name", sorted(catalogue("recipe")))
def test_every_recipe_of_the_catalogue_makes_a_run(name: str) -> None:
    (run,) = load(recipes=[name]).runs()
    assert run.recipe.name == name


def test_studies_of_the_catalogue(tmp_path: Path) -> None:
    quick = Study.find("quick").runs()
    assert {r.seed for r in quick} == {0, 1, 2, 3, 4} and {r.members for r in quick} == {1}
    assert {r.recipe.name for r in quick} == {"random", "strided", "entropy", "coreset", "gcl_group_coreset"}
    paper = Study.find("paper", [f"data={tmp_path}"]).runs()
    assert {r.members for r in paper} == {5} and len({r.seed for r in paper}) == 5
    assert network_trainer(paper[0]).iterations_full == 60000 and paper[0].budgets[:2] == (0.01, 0.02)
    assert {r.dataset.root for r in paper} == {str(tmp_path)}


def test_all_recipes_with_those_that_read_ground_truth_last() -> None:
    names = [run.recipe.name for run in load("recipes=all").runs()]
    extras = {name for name, path in catalogue("recipe").items() if yaml.safe_load(path.read_text()).get("extra")}
    assert extras == EXTRAS
    assert sorted(names) == sorted(EVERY)
    references = [name.startswith("oracle_") for name in names]
    assert True in references and references == sorted(references)
    with pytest.raises(ConfigError, match="'random' is listed twice"):
        load("recipes=all random")


def test_a_recipe_with_an_annotation_of_its_own_is_run_once() -> None:
    def kinds(*settings: str, **fields: Any) -> list[tuple[str, str]]:
        runs = load("recipes=random random_3d", *settings, **fields).runs()
        return sorted((run.recipe.name, run.annotation_name) for run in runs)

    both = [("random", "mask"), ("random", "scribble"), ("random_3d", "mask")]
    assert kinds("annotations=scribble mask") == kinds("annotations=mask scribble") == both
    assert kinds("annotations=scribble") == [("random", "scribble"), ("random_3d", "mask")]
    assert kinds("annotations=mask") == [("random", "mask"), ("random_3d", "mask")]


def test_own_annotation_takes_the_studys_settings_where_it_has_them(tmp_path: Path) -> None:
    own = {"name": "mine", "strategy": "random", "annotation": {"name": "scribble", "length": 0.25}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))
    for kinds, length in (([{"name": "mask"}, {"name": "scribble", "length": 0.5}], 0.5), ("mask", 0.25)):
        (run,) = load(recipes=[str(tmp_path / "mine.yaml")], annotations=kinds).runs()
        assert run.annotation_name == "scribble" and run.describe()["annotation"]["length"] == length


def test_training_of_a_recipe_goes_before_the_studys() -> None:
    train = {"mask": {"lr": 0.25, "batch": 5, "epochs": 3, "network": {"widths": [4, 8], "dropouts": [0, 0]}}}
    slices, volumes = load("recipes=random random_3d", "annotations=mask", train=train).runs()
    few, whole = network_trainer(slices), network_trainer(volumes)
    assert (few.lr, few.batch, few.epochs) == (0.25, 5, 3)
    assert (whole.lr, whole.batch, whole.epochs) == (0.25, 1, None)
    assert volumes.describe()["train"]["network"]["name"] == "unet3d"
    assert whole.iterations_full == 4500  # of the dataset's preset


def test_sources_are_what_to_cite() -> None:
    sources = load(datasets=["phantom", "acdc"], recipes=["random", "gcl_coreset", "random_3d"]).sources()
    assert list(sources) == ["acdc", "gcl_coreset", "random_3d", "training from scribbles"]
    assert "Bernard" in sources["acdc"] and "Licence: CC BY-NC-SA 4.0" in sources["acdc"]
    assert "Vepa" in sources["random_3d"]
    assert "training from scribbles" not in load(annotations="mask").sources()


def test_data_that_cite_nothing_in_their_file_are_cited_by_their_reader(tmp_path: Path) -> None:
    content = yaml.safe_load(catalogue("dataset")["acdc"].read_text())
    del content["citation"]
    (tmp_path / "d.yaml").write_text(yaml.safe_dump({**content, "name": "heart"}))
    assert "Bernard" in load(datasets=[str(tmp_path / "d.yaml")]).sources()["heart"]


def test_a_folder_is_given_by_the_name_of_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load(catalogue("dataset")["acdc"].read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**content, "name": "heart"}))
    study = load(datasets=["phantom", str(tmp_path / "mine.yaml")], data={"heart": str(tmp_path)}, recipes=["random"])
    assert {run.dataset.name: run.dataset.root for run in study.runs()} == {"phantom": None, "heart": str(tmp_path)}
    with pytest.raises(
        ConfigError, match="(?s)data/heart does not exist .*--set data.heart=FOLDER where several"
    ) as caught:
        load(datasets=["mine.yaml"]).check_folders()
    assert "data.mine" not in str(caught.value)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(catalogue("dataset")["phantom"].read_text())
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({**content, "title": "another"}))
    with pytest.raises(ConfigError, match="two dataset files hold the name 'phantom'"):
        load(datasets=["phantom", str(tmp_path / "other.yaml")]).runs()
    recipe = yaml.safe_load(catalogue("recipe")["random"].read_text())
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(ConfigError, match="two recipe files hold the name 'random'"):
        load(recipes=["random", str(tmp_path / "r.yaml")]).runs()


def test_a_recipe_builds_on_another(tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text(
        "name: wide\nlike: random\ntrain: {lr: 0.5, network: {widths: [4, 8, 16, 32]}}\n"
    )
    inline = {"name": "wider", "like": str(tmp_path / "wide.yaml"), "train": {"network": {"widths": [8, 8, 8, 8]}}}
    few = {"name": "few", "like": "strided", "strategy": {"per_volume": 2}}
    plain, wide, wider, fewer = load(
        recipes=["random", str(tmp_path / "wide.yaml"), inline, few], annotations=["mask"]
    ).runs()
    assert [run.recipe.name for run in (plain, wide, wider, fewer)] == ["random", "wide", "wider", "few"]
    assert plain.recipe.strategy == wide.recipe.strategy == wider.recipe.strategy
    assert [network_trainer(run).lr for run in (wide, wider)] == [0.5, 0.5]
    assert network_trainer(wide).network.widths == (4, 8, 16, 32)  # type: ignore[attr-defined]
    assert network_trainer(wider).network.widths == (8, 8, 8, 8)  # type: ignore[attr-defined]
    assert fewer.recipe.strategy.per_volume == 2  # type: ignore[attr-defined]
    study = load(recipes=["random", few])
    assert study.summaries()["few"] == load(recipes=["strided"]).summaries()["strided"]


def test_recipes_that_a_study_writes_out_can_be_chosen_by_name() -> None:
    written: list[Any] = ["random", {"name": "few", "like": "strided", "strategy": {"per_volume": 2}}]
    study = load("recipes=few coreset", recipes=written)
    assert [run.recipe.name for run in study.runs()][:2] == ["few", "coreset"]
    assert study.runs()[0].recipe == load(recipes=written).runs()[1].recipe
    with pytest.raises(ConfigError, match="unknown recipe 'fwe'"):
        load("recipes=fwe", recipes=written).runs()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"like": "random"}, "has a name of its own"),
        ({"name": "a", "like": 3}, "names the other, got like: 3"),
        ({"name": "a", "like": "radnom"}, "radnom.*random"),
        ({"name": "a", "like": "random", "trian": {}}, "trian"),
        ({"name": "random", "strategy": "entropy"}, "two recipe files hold the name 'random'"),
    ],
)
def test_a_recipe_that_builds_on_nothing_is_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(recipes=["random", recipe]).runs()


def test_recipes_that_build_on_one_another_in_a_circle_are_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "like": str(tmp_path / f"{other}.yaml")}))
    with pytest.raises(ConfigError, match="in a circle"):
        load(recipes=[str(tmp_path / "a.yaml")]).runs()


@pytest.mark.parametrize("there", [True, False])
def test_an_absent_or_empty_folder_says_how_to_get_the_data(there: bool, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    if there:
        folder.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(datasets=["chaos"], data=str(folder)).check_folders()
    assert "alseg data fetch chaos" in str(caught.value) and "DICOM_anon" in str(caught.value)
    with pytest.raises(ConfigError, match="Register at https://humanheart"):
        load(datasets=["acdc"], data=str(folder)).check_folders()
    load().check_folders()


def test_references_of_others_are_cited() -> None:
    sources = load(recipes=["random_3d", "random_volumes", "oracle_foreground"], annotations="mask").sources()
    assert list(sources) == ["random_3d"] and "Vepa" in sources["random_3d"]


def test_ablation_has_no_group_losses() -> None:
    (run,) = load(recipes=["ntxent_coreset"]).runs()
    weights = run.describe()["recipe"]["embed"]
    assert [weights[f"w_{k}"] for k in ("ntxent", "patient", "volume", "slice")] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["recipes=gcl_corset"], "unknown recipe 'gcl_corset'. Did you mean 'gcl_coreset'?"),
        (["datasets=phantm"], "unknown dataset 'phantm'. Did you mean 'phantom'?"),
        (["train.mask.lr=0.1"], "train.mask is set, and no run is annotated so; runs of this study have scribble"),
        (["annotations=scribbles"], "unknown annotation 'scribbles'. Did you mean 'scribble'?"),
        (["preset=qick"], "Did you mean 'quick'?"),
        (["seeds=0"], "seeds: a number of seeds of at least 1 was wanted, got 0"),
        (["seeds=[1, 1]"], "1 is listed twice"),
        (["recipes=random random"], "'random' is listed twice"),
        (["seeds=-1"], "seeds"),
        (["colour=red"], "unknown field 'colour'"),
        (["components.contrastiv.epochs=2"], "Did you mean 'contrastive'?"),
        (["components.bald.passes=0", "recipes=bald"], "passes"),
        (["train.scribble.bach=2"], "Did you mean 'batch'?"),
        (["train.scrible.batch=2"], "Did you mean 'scribble'?"),
        (["schedules={a: [0.5, 1.5]}"], "1.5"),
        (["resources.cpus=0"], "cpus"),
        (["name=../x"], "name"),
        (["seeds"], "key=value"),
        (["seeds=[1"], "no valid YAML"),
    ],
)
def test_errors_name_what_is_wrong(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(*settings).runs()


def test_missing_data_says_layout_source_folder_and_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for problem in (
        f"folder {tmp_path}/data/acdc does not exist",
        "holds no scans in the expected layout, but a.zip, b/",
    ):
        with pytest.raises(ConfigError) as caught:
            load(datasets=["acdc"]).check_folders()
        for part in (problem, "Info.cfg", "humanheart-project", "--set data=FOLDER"):
            assert part in str(caught.value)
        (tmp_path / "data/acdc/b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/acdc/a.zip").write_text("")


def test_scans_are_looked_for_in_the_folder_of_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = load(datasets=["phantom", "acdc", "mscmr"], data={"acdc": "mine"}).runs()
    roots = {run.dataset.name: run.dataset.root for run in runs}
    assert roots == {"phantom": None, "acdc": f"{tmp_path}/mine", "mscmr": f"{tmp_path}/data/mscmr"}


@pytest.mark.parametrize("fetch", [True, False])
def test_missing_data_that_can_be_fetched_names_the_command(
    fetch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset's file may hold more than a study reads, such as where to download it."""
    monkeypatch.chdir(tmp_path)
    content = {**yaml.safe_load(catalogue("dataset")["acdc"].read_text()), "get": "Ask."}
    entry = str(tmp_path / "d.yaml")
    content |= {"fetch": {"url": "https://example.org/d.zip"}} if fetch else {}
    Path(entry).write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        load(datasets=[entry]).check_folders()
    assert (f"alseg data fetch {entry}" in str(caught.value)) == fetch
    assert "Info.cfg" in str(caught.value) and "--set data=FOLDER" in str(caught.value)
    (run,) = load(datasets=[entry], data=str(tmp_path)).runs()
    assert run.dataset.name == "acdc"


def test_data_folder_for_one_of_several_datasets(tmp_path: Path) -> None:
    runs = load(datasets=["phantom", "acdc"], data={"acdc": str(tmp_path)}).runs()
    assert {r.dataset.name: r.dataset.root for r in runs} == {"phantom": None, "acdc": str(tmp_path)}
    with pytest.raises(ConfigError, match="unknown dataset in data 'adcd'"):
        load(datasets=["phantom"], data={"adcd": "x"}).runs()


def test_settings() -> None:
    assert parse_setting("a.b=[1, x]") == {"a": {"b": [1, "x"]}}
    assert parse_setting("a=b=c") == {"a": "b=c"}
    assert overlay({"name": "unet", "widths": [1]}, {"name": "unet_dual"}) == {"name": "unet_dual"}
    assert overlay({"name": "unet"}, {"widths": [1]}) == {"name": "unet", "widths": [1]}
    assert overlay("unet", {"widths": [1]}) == {"name": "unet", "widths": [1]}


def test_a_folder_that_no_dataset_takes_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="phantom needs none. Which DATASET"):
        load(data=str(tmp_path)).check_folders()


def test_an_unknown_field_of_a_dataset_is_named(tmp_path: Path) -> None:
    content = yaml.safe_load(catalogue("dataset")["phantom"].read_text())
    (tmp_path / "d.yaml").write_text(yaml.safe_dump({**content, "clases": ["a"]}))
    with pytest.raises(ConfigError, match="Did you mean 'classes'"):
        load(datasets=[str(tmp_path / "d.yaml")]).runs()


def test_make_refuses_an_option_it_does_not_know() -> None:
    command = ["make", "-f", str(Path(__file__).parents[3] / "Makefile"), "help"]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run([*command, "RECIPE=random"], capture_output=True, text=True, env=env)
    assert done.returncode == 2 and "unknown option RECIPE. Options: PYTHON DATASET" in done.stderr
    assert subprocess.run([*command, "RECIPES=random", "OUT=out"], capture_output=True, env=env).returncode == 0
