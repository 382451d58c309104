"""nnU-Net itself takes the data set; skipped where it is not installed (pip install nnunetv2)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
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
from nnunetv2.utilities.label_handling.label_handling import LabelManager
if __name__ == "__main__":
    verify_dataset_integrity(sys.argv[1], 1)
    manager = LabelManager(json.load(open(sys.argv[1] + "/dataset.json"))["labels"], None)
    heads = manager.num_segmentation_heads
    print(json.dumps(["verified", manager.has_ignore_label, manager.ignore_label, heads]))
"""


def verified(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What nnU-Net says of a data set, in a process of its own: it starts further ones and sets environment."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(folder), json.dumps(sys.path)]
    named = {name: str(tmp_path / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **named})


def test_nnunet_finds_nothing_wrong_and_knows_the_ignore_label(
    make_scan: Callable[..., Written], tmp_path: Path
) -> None:
    scans = [make_scan("P1").exported, make_scan("P22", axes=CORONAL).exported]
    out = export_nnunet(tmp_path / "raw", "Heart", scans, CLASSES, project=tmp_path)
    done = verified(out, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["verified", True, 3, 3]
    # and it would have found a wrong one
    facts = json.loads((out / "dataset.json").read_text())
    del facts["labels"]["ignore"]
    (out / "dataset.json").write_text(json.dumps(facts))
    assert "Unexpected labels found" in verified(out, tmp_path).stdout
