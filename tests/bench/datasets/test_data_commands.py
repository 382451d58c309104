from __future__ import annotations

import shutil
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib.image import imread

from bench.cli import main
from bench.study import catalogue
from tests.data.conftest import write_nifti


def alseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """YAML of a dataset of two scans; ``mine/`` beside it holds them, scribbles for both and a mask for the first."""
    for part in ("images", "labels", "scribbles"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    for name in ("a", "b"):
        mask = np.zeros((10, 20, 4), np.uint8)  # (x, y, z)
        mask[:5, :10] = 1
        scribble = np.full(mask.shape, 9, np.uint8)
        scribble[0, :10], scribble[9, :5], scribble[9, 5, 0] = 1, 0, 1  # the last one is wrong
        image = np.random.default_rng(0).random(mask.shape, np.float32)
        parts = {"images": image, "scribbles": scribble, **({"labels": mask} if name == "a" else {})}
        for part, array in parts.items():
            nibabel.save(
                nibabel.Nifti1Image(array, np.diag([1.5, 1.5, 8, 1])), tmp_path / "mine" / part / f"{name}.nii"
            )
    path = tmp_path / "own.yaml"
    path.write_text("reader: {name: nifti_folder, unmarked: 9}\nclasses: [background, organ]\n")
    return path


def test_check_counts_and_shows_a_dataset_of_ones_own(own: Path, tmp_path: Path) -> None:
    result = alseg("data", "check", str(own), "--data", str(tmp_path / "mine"), "--sheet", str(tmp_path / "s.png"))
    assert result.exit_code == 0, result.output
    for line in (
        "own: 2 cases of 2 patients",
        "slices: 8, 4 to 4 a case",
        "rows x columns: 20x10 to 20x10",
        "spacing (mm): z 8.00 to 8.00, y 1.50 to 1.50, x 1.50 to 1.50",
        "labels: 0 background in 1 cases, 1 organ in 1 cases",
        "masks: 1 cases; scribbles: 2 cases",
        # 5 of 150 background and 10 of 50 organ pixels a slice; 61 marks, one of them wrong
        "marked by scribbles: background 3.3 %, organ 20 % of the class; 98.36 % agree with the mask",
        "marked by scribbles, in cases without mask: background 2.5 %, organ 5.1 % of all pixels",
        f"contact sheet: {tmp_path / 's.png'}",
    ):
        assert line in result.output.splitlines()
    assert imread(tmp_path / "s.png").std() > 0.05


def test_check_tells_problems_and_shows_the_rest(own: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/images/b.nii").write_bytes(b"no scan")
    result = alseg("data", "check", str(own), "--data", str(tmp_path / "mine"), "--sheet", str(tmp_path / "s.png"))
    assert result.exit_code == 1
    assert f"problem: {tmp_path / 'mine/images/b.nii'}: not a readable NIfTI" in result.output
    assert (tmp_path / "s.png").exists()


def problems(result: Result) -> list[str]:
    assert result.exit_code == 1, result.output
    return [line for line in result.output.splitlines() if line.startswith("problem: ")]


def test_a_missing_pair_hides_no_damage_elsewhere(own: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "scribbles/b.nii").unlink()  # b has no mask either
    for part in ("images", "labels"):
        (mine / part / "a.nii").write_bytes(b"no scan")
    told = problems(alseg("data", "check", str(own), "--data", str(mine), "--sheet", str(tmp_path / "s.png")))
    pair, damage = told
    assert "images/b.nii: there is no labels/b" in pair
    assert damage.startswith("problem: 2 files: not a readable") and damage.endswith(": images/a.nii, labels/a.nii")


def test_all_problems_are_shown(own: Path, tmp_path: Path) -> None:
    """The names of 25 files and the content of 30 others are wrong."""
    mine = tmp_path / "mine"
    for i in range(25):
        shutil.copy(mine / "images/a.nii", mine / f"images/lonely{i:02d}.nii")
    for i in range(30):
        (mine / f"images/damaged{i:02d}.nii").write_bytes(b"no scan")
        shutil.copy(mine / "labels/a.nii", mine / f"labels/damaged{i:02d}.nii")
    result = alseg("data", "check", str(own), "--data", str(mine), "--sheet", str(tmp_path / "s.png"))
    told = problems(result)
    assert sum("lonely" in line for line in told) == 1 and sum("damaged" in line for line in told) == 1
    assert len(told) == 2 and all(f"images/lonely{i:02d}" in result.output for i in range(25))
    assert any("25 files: there is no labels/*" in line for line in told)
    (damaged,) = (line for line in told if "damaged" in line)
    assert damaged.startswith("problem: 30 files: not a readable NIfTI") and damaged.count("images/damaged") == 30
    assert "slices: 108, 4 to 4 a case" in result.output  # the other cases are read


def test_presets_that_would_work_are_named(own: Path, tmp_path: Path) -> None:
    """Three patients of scribbles, of whom two have masks."""
    mine = tmp_path / "mine"
    for part in ("images", "scribbles", "labels"):
        shutil.copy(mine / part / "a.nii", mine / part / "c.nii")
    own.write_text(
        own.read_text()
        + "prepare: {s: {size: 16}}\n"
        + "splits:\n"
        + "  whole: {name: patients, train: [b], val: [a], test: [c]}\n"
        + "  bare: {name: patients, train: [a], val: [b], test: [c]}\n"
        + "  away: {name: patients, train: [a], val: [c], test: [d]}\n"
        + "presets:\n"
        + "  one: {split: whole, prepare: s, budgets: [1, 0.5]}\n"
        + "  two: {split: bare, prepare: s, budgets: [1, 0.5]}\n"
        + "  three: {split: away, prepare: s, budgets: [1, 0.5]}\n"
        + "  four: {split: whole, prepare: s, budgets: [99]}\n"
    )
    result = alseg("data", "check", str(own), "--data", str(mine), "--sheet", str(tmp_path / "s.png"))
    assert result.exit_code == 0, result.output
    told = {line.split()[1]: line for line in result.output.splitlines() if line.startswith("preset ")}
    assert "works (1 / 1 / 1 volumes to train / validate / test, 1, 2 slices" in told["one:"]
    assert "ANNOTATION=scribble only" in told["one:"]
    assert "need masks; none for b" in told["two:"] and told["two:"].endswith("it works with --set split=whole")
    assert "test lacks 1 of 1 patients (d)" in told["three:"] and "split=whole" in told["three:"]
    assert "99 slices, more than the 4 training slices" in told["four:"] and "split=" not in told["four:"]


def test_acdc_is_read_beside_a_missing_pair(tmp_path: Path) -> None:
    root, stems = tmp_path / "acdc", []
    for patient in ("patient001", "patient002"):
        folder = root / "database/training" / patient
        folder.mkdir(parents=True)
        (folder / "Info.cfg").write_text("ED: 1\nES: 12\n")
        for frame in (1, 12):
            stems.append(folder / f"{patient}_frame{frame:02d}")
            for ending in ("", "_gt"):
                write_nifti(Path(f"{stems[-1]}{ending}.nii.gz"), np.ones((3, 9, 8), np.uint8))
    first, _, second, _ = stems
    Path(f"{first}_gt.nii.gz").unlink()
    for ending in ("", "_gt"):
        Path(f"{second}{ending}.nii.gz").write_bytes(b"no scan")
    told = problems(alseg("data", "check", "acdc", "--data", str(root), "--sheet", str(tmp_path / "s.png")))
    assert len(told) == 2
    assert any("patient001_frame01_gt.nii.gz: file not found" in line for line in told)
    assert any(line.count("patient002_frame01") == 2 and "2 files: not a readable" in line for line in told)


def test_the_sheet_has_a_default_place(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = alseg("data", "check", "own.yaml", "--data", "mine")
    assert "contact sheet: runs/own-sheet.png" in result.output and (tmp_path / "runs/own-sheet.png").exists()


def test_info_on_every_dataset() -> None:
    result = alseg("data", "info")
    assert result.exit_code == 0
    names = [line.split(":")[0] for line in result.output.splitlines() if line and not line.startswith(" ")]
    assert names == list(catalogue("dataset"))
    for fact in ("licence:", "cite:", "source:", "layout:", "classes:", "reader:"):
        assert result.output.count(f"\n  {fact} ") == len(names)


def test_info_on_one_dataset_and_on_a_file(own: Path) -> None:
    told = alseg("data", "info", "acdc").output
    for part in ("0 background, 1 RV, 2 myocardium, 3 LV", "CC BY-NC-SA 4.0", "Bernard", "humanheart", "Info.cfg"):
        assert part in told
    assert "fetch:" not in told and "alseg data fetch chaos" in alseg("data", "info", "chaos").output
    assert "1 organ" in alseg("data", "info", str(own)).output
    wrong = alseg("data", "info", "acd")
    assert wrong.exit_code == 2 and "Did you mean 'acdc'?" in wrong.stderr


def test_fetch_says_where_to_register(tmp_path: Path) -> None:
    for name, where in (("acdc", "humanheart-project"), ("mscmr", "zmiclab")):
        result = alseg("data", "fetch", name, "--to", str(tmp_path / "to"))
        assert result.exit_code == 2 and where in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "to").exists()


def test_how_to_get_it_is_told_the_same_way_by_both(tmp_path: Path) -> None:
    for name, words in (("acdc_h5", "Clone https://github.com/HiLab-git/WSL4MIS"), ("nifti_folder", "your own files")):
        fetched = alseg("data", "fetch", name, "--to", str(tmp_path / "to"))
        assert fetched.exit_code == 2 and words in fetched.stderr and "owners" not in fetched.stderr
        told = alseg("data", "info", name).output
        assert "\n  get:     " in told and words in told


def test_an_interrupted_download_says_that_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the server keeps the rest back."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    main_thread = threading.main_thread().ident
    done = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "900000")
            self.end_headers()
            self.wfile.write(bytes(100_000))
            done.wait(0.5)
            signal.pthread_kill(main_thread, signal.SIGINT)
            done.wait(20)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/d.zip"
    (tmp_path / "d.yaml").write_text(f"reader: {{name: chaos}}\nfetch: {{url: '{url}'}}\n")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
    try:
        result = alseg("data", "fetch", str(tmp_path / "d.yaml"), "--to", str(tmp_path / "to"))
    finally:
        signal.signal(signal.SIGINT, before)
        done.set()
        server.shutdown()
        server.server_close()
    assert result.exit_code == 130
    assert "the same command continues the download" in result.stderr and "rounds" not in result.stderr
    assert (tmp_path / "to/d.zip.part").stat().st_size > 80_000


def test_fetch_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "d.yaml").write_text("reader: {name: chaos}\nfetch: {url: 'http://127.0.0.1:1/d.zip'}\n")
    result = alseg("data", "fetch", str(tmp_path / "d.yaml"), "--to", str(tmp_path / "to"))
    assert result.exit_code == 2 and "is this machine online?" in result.stderr and "Traceback" not in result.stderr
