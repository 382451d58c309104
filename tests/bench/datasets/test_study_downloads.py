"""A study fetches open data itself, here from a server on this machine in the place of the official one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from rich.console import Console

from bench.cli import main
from bench.datasets.downloads import Download, bring
from bench.launchers.local import LocalLauncher
from bench.launchers.scans import lacking
from bench.study import Study, catalogue, read_yaml
from tests.bench.datasets.archive_server import Server
from tests.data.test_chaos import write_case
from tests.data.test_davis import write_lists, write_sequence

ROOT = Path(__file__).parents[3]
SETTINGS = (
    "train.mask.iterations_full=20 train.mask.iterations_least=2 schedules.few=[2] "
    "train.mask.network.widths=[4,8] train.mask.network.dropouts=[0,0]"
)
"""A training of a few steps."""
COMMANDS = {
    "bench": ["bench", "quick", "--set", "datasets=chaos.yaml"],
    "tune": ["tune", "--set", "dataset=chaos.yaml"],
}


def archive_of(folder: Path) -> bytes:
    """The files below a folder, as the official archives hold them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def chaos_archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """CHAOS_Train_Sets.zip with small scans of the patients of the published split."""
    folder = tmp_path_factory.mktemp("chaos")
    for number in [1, 2, 5, 6, 8, 10, 14, 16, 18, 19, *range(21, 31)]:
        names = ("philips", "osirix")[number % 2]
        write_case(folder / "Train_Sets" / "CT" / str(number), names, intercept=(-1000, -1024, 0)[number % 3])
    return archive_of(folder)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: empty, and without a proxy to this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def served(here: Path) -> Iterator[Callable[..., Server]]:
    """``served(dataset, archive)`` writes DATASET.yaml, whose archive comes from the server that it returns."""
    servers: list[Server] = []

    def serve(dataset: str, archive: bytes, published: bool = True) -> Server:
        servers.append(server := Server(f"{dataset.upper()}.zip"))
        server.content = archive
        sums = {"bytes": len(archive), "md5": hashlib.md5(archive).hexdigest()} if published else {}
        content = {**read_yaml(catalogue("dataset")[dataset]), "fetch": {"url": server.url, **sums}}
        (here / f"{dataset}.yaml").write_text(yaml.safe_dump(content))
        return server

    yield serve
    for server in servers:
        server.close()


def bench(*datasets: str, more: tuple[str, ...] = ()) -> Result:
    """Run one recipe on the datasets for a few steps."""
    chosen = (f"datasets={','.join(datasets)}", "recipes=random", "seeds=1", "name=small", *SETTINGS.split())
    arguments = ["bench", "quick", "--local", *(word for setting in chosen for word in ("--set", setting)), *more]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def finished(folder: Path) -> dict[str, set[str]]:
    """Dataset -> its test cases in the runs of a study."""
    index = json.loads((folder / "study.json").read_text())
    last = {
        run["dataset"]: json.loads((folder / "runs" / run["key"] / "rounds.jsonl").read_text().splitlines()[-1])
        for run in index["runs"]
    }
    return {dataset: {row["case"] for row in record["volumes"]} for dataset, record in last.items()}


@pytest.mark.slow
def test_make_bench_downloads_what_is_missing_and_goes_on_where_it_was_cut_off(
    served: Callable[..., Server], chaos_archive: bytes, here: Path
) -> None:
    server = served("chaos", chaos_archive)
    server.cut = len(chaos_archive) // 2
    (here / ".venv").symlink_to(ROOT / ".venv")
    command = ["make", "-f", str(ROOT / "Makefile"), "--old-file=.venv/.installed", "bench", "DATASET=chaos.yaml"]
    command += ["RECIPES=random", "SEEDS=1", "LOCAL=1", f"SET={SETTINGS}"]

    def make() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})

    cut = make()
    assert cut.returncode == 2 and "bytes are kept; the same command continues from there" in cut.stderr
    assert not (here / "runs").exists()
    server.cut = None
    done = make()
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    for part in (
        f"chaos: an earlier download to {here}/data/chaos is incomplete.",
        f"from {server.url} to {here}/data/chaos",
        "licence: CC BY-NC-SA 4.0 (non-commercial use only); source: https://zenodo.org/records/3431873",
        "DATA=FOLDER takes scans that you have",
        "size and md5 checksum of the archive are as published",
    ):
        assert part in told
    shares = [line for line in done.stdout.splitlines() if line.startswith("chaos: downloading, ")]
    assert 5 <= len(shares) <= 7 and shares[-1].endswith("(100 %)")
    assert server.requests[0] == "" and server.requests[1].startswith("bytes=") and len(server.requests) == 2
    assert finished(here / "runs/quick-chaos") == {"chaos": {"ct_08", "ct_22", "ct_24"}}
    index = json.loads((here / "runs/quick-chaos/study.json").read_text())
    assert " DATA=" not in index["command"]  # from where it was typed it finds, or fetches, the same scans
    (config,) = (here / "runs/quick-chaos/runs").glob("*/config.json")
    assert json.loads(config.read_text())["config"]["dataset"]["root"] == f"{here}/data/chaos"


@pytest.mark.slow
def test_studies_of_several_datasets_download_each_and_then_no_more(
    served: Callable[..., Server], chaos_archive: bytes, here: Path
) -> None:
    split = read_yaml(catalogue("dataset")["davis"])["splits"]["paper"]
    for names in (split["train"], split["val"], split["test"]):
        for name in names:
            write_sequence(here / "made/DAVIS", name)
    write_lists(here / "made/DAVIS", "480p", split["train"], [*split["val"], *split["test"]])
    servers = [served("chaos", chaos_archive), served("davis", archive_of(here / "made"), published=False)]
    result = bench("chaos.yaml", "davis.yaml")
    assert result.exit_code == 0, result.output
    assert "davis: downloading an archive of unpublished size" in result.output
    assert {name: len(cases) for name, cases in finished(here / "runs/small").items()} == {"chaos": 3, "davis": 15}
    again = bench("chaos.yaml", "davis.yaml")
    assert again.exit_code == 0 and "downloading" not in again.output
    assert [len(server.requests) for server in servers] == [1, 1]


@pytest.mark.parametrize("kind", ["bench", "tune"])
def test_an_estimate_says_what_would_be_downloaded(
    served: Callable[..., Server], chaos_archive: bytes, here: Path, kind: str
) -> None:
    server = served("chaos", chaos_archive)
    result = CliRunner().invoke(main, [*COMMANDS[kind], "--estimate"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert f"would download {len(chaos_archive) / 1e3:.1f} kB from {server.url} to {here}/data/chaos" in result.output
    assert {"bench": "execute 25 runs", "tune": "tune gcl_coreset by 40 trials"}[kind] in result.output
    assert server.requests == [] and not (here / "data").exists() and not (here / "runs").exists()


@pytest.mark.parametrize("kind", ["bench", "tune"])
def test_a_download_that_is_refused_is_one_message(served: Callable[..., Server], here: Path, kind: str) -> None:
    server = served("chaos", b"never read")
    result = CliRunner().invoke(main, [*COMMANDS[kind], "--no-download"], catch_exceptions=False)
    assert result.exit_code == 2 and result.stderr.count("error: ") == 1
    assert f"folder {here}/data/chaos does not exist" in result.stderr and "--no-download was given" in result.stderr
    assert "DICOM_anon" in result.stderr and "--set data=FOLDER" in result.stderr
    assert server.requests == [] and not (here / "data").exists()


def test_nothing_is_downloaded_into_a_folder_of_the_users_or_for_a_study_that_is_wrong(
    served: Callable[..., Server], chaos_archive: bytes, here: Path
) -> None:
    server = served("chaos", chaos_archive)
    (here / "mine").mkdir()
    (here / "mine/notes.txt").write_text("no scans")
    given = bench("chaos.yaml", more=("--set", "data=mine"))
    assert given.exit_code == 2
    assert f"folder {here}/mine holds no scans in the expected layout, but notes.txt. Expected" in given.stderr
    for wrong in ("recipes=randm", "train.mask.loss=none_such", "data.chaoss=x", "device=cuda:99"):
        assert bench("chaos.yaml", more=("--set", wrong)).exit_code == 2
    other = bench("chaos.yaml", "acdc")
    assert other.exit_code == 2 and f"acdc: folder {here}/data/acdc does not exist" in other.stderr
    assert server.requests == []


def needed() -> list[Download]:
    return lacking(Study.find("quick", ["datasets=chaos.yaml"]), LocalLauncher())


def test_scans_that_were_put_there_by_hand_are_taken(
    served: Callable[..., Server], chaos_archive: bytes, here: Path
) -> None:
    served("chaos", chaos_archive)
    assert needed()
    with zipfile.ZipFile(io.BytesIO(chaos_archive)) as file:
        file.extractall(here / "data/chaos")
    assert needed() == []


def test_files_that_went_missing_are_fetched_again(
    served: Callable[..., Server], chaos_archive: bytes, here: Path
) -> None:
    server = served("chaos", chaos_archive)
    fetched = CliRunner().invoke(main, ["data", "fetch", "chaos.yaml"], catch_exceptions=False)
    assert fetched.exit_code == 0 and "make bench DATASET=chaos.yaml\n" in fetched.output
    assert needed() == []
    (picture,) = (here / "data/chaos").rglob("CT/22/Ground/*_003.png")
    picture.unlink()
    found = needed()
    assert [each.lack for each in found] == [f"1 of 480 files are missing in {here}/data/chaos"]
    bring(found, Console(file=io.StringIO()), allowed=True)
    assert picture.exists() and needed() == [] and len(server.requests) == 2


def test_an_archive_that_lies_there_is_unpacked_without_a_download(
    served: Callable[..., Server], chaos_archive: bytes, here: Path
) -> None:
    server = served("chaos", chaos_archive)
    (here / "data/chaos").mkdir(parents=True)
    (here / "data/chaos/CHAOS.zip").write_bytes(chaos_archive)
    bring(needed(), Console(file=io.StringIO()), allowed=False)
    assert needed() == [] and server.requests == []
