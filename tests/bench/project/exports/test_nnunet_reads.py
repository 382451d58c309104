"""nnU-Net itself takes the data set; skipped where it is not installed (pip install nnunetv2)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.project.exports import export_nnunet
from tests.bench.project.exports.conftest import CLASSES, CORONAL, Written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("nnunetv2") is None, reason="nnunetv2 is not installed"),
]

PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from types import SimpleNamespace
import numpy as np

def folds(folder):  # nnU-Net's own reading of the file, without the preprocessed data that a whole trainer wants
    for fold in range(len(json.load(open(folder + "/splits_final.json")))):
        yield nnUNetTrainer.do_split(SimpleNamespace(
            fold=fold, dataset_class=lambda *a, **k: None, preprocessed_dataset_folder=folder,
            preprocessed_dataset_folder_base=folder, folder_with_segs_from_previous_stage=None,
            print_to_log_file=lambda *a: None))

if __name__ == "__main__":
    verify_dataset_integrity(sys.argv[1], 1)
    manager = LabelManager(json.load(open(sys.argv[1] + "/dataset.json"))["labels"], None)
    heads = manager.num_segmentation_heads
    labels = {}
    for path in sys.argv[3:]:
        voxels, _ = SimpleITKIO().read_seg(path)
        labels[path] = [voxels.shape, np.argwhere(voxels[0] != manager.ignore_label)[:, 0].tolist()]
    facts = ["verified", manager.has_ignore_label, manager.ignore_label, heads]
    print(json.dumps([facts, labels, list(folds(sys.argv[1]))]))
"""


def verified(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What nnU-Net says of a data set, in a process of its own: it starts further ones and sets environment."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    files = map(str, sorted((folder / "labelsTr").iterdir()))
    command = [sys.executable, str(program), str(folder), json.dumps(sys.path), *files]
    named = {name: str(tmp_path / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **named})


def test_nnunet_reads_the_ignore_label_and_the_folds_and_finds_nothing_wrong(
    make_scan: Callable[..., Written], tmp_path: Path
) -> None:
    scans = [make_scan(name).exported for name in ("P1_a", "P1_b", "P3_a", "P4_a")]
    scans.append(make_scan("P22", axes=CORONAL).exported)
    out = export_nnunet(tmp_path / "raw", "Heart", scans, CLASSES, project=tmp_path)
    done = verified(out, tmp_path)
    assert done.returncode == 0, done.stderr
    facts, labels, folds = json.loads(done.stdout.splitlines()[-1])
    assert facts == ["verified", True, 3, 3]
    # its loader finds labels on slices 1 and 3 alone, the column that nobody marked left out: 7 x 6 - 7 of slice 3
    shape, marked = labels[str(out / "labelsTr" / "P1_a.nii.gz")]
    assert shape == [1, 5, 7, 6]
    assert Counter(marked) == {1: 42, 3: 35}
    # and its trainer parts no patient: "P1" has two scans
    assert len(folds) == 4
    assert sorted(name for _, held in folds for name in held) == ["P1_a", "P1_b", "P22", "P3_a", "P4_a"]
    for trained, held in folds:
        assert len(trained) + len(held) == 5
        assert not {name[:2] for name in trained} & {name[:2] for name in held}
    # and it would have found a wrong one
    facts = json.loads((out / "dataset.json").read_text())
    del facts["labels"]["ignore"]
    (out / "dataset.json").write_text(json.dumps(facts))
    assert "Unexpected labels found" in verified(out, tmp_path).stdout
