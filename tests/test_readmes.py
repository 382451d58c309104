"""The READMEs: links lead somewhere, code runs, the first page stays short."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("[a-z]*/**/*.md"))
    if not {"runs", "build", "data"} & set(path.relative_to(ROOT).parts[:1])
)


def test_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    missing = [link for link in local if not (path.parent / link).exists()]
    assert not missing, f"{path.relative_to(ROOT)} links to files that do not exist: {missing}"


@pytest.mark.slow
def test_the_library_examples_run_and_draw_a_curve_that_rises(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "alseg_core/README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "examples.py").write_text("\n".join(blocks))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "examples.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[:3]]
    assert [line[0] for line in lines] == ["4", "8", "24"]
    assert float(lines[2][1]) > float(lines[0][1]) + 0.1, done.stdout
    assert (tmp_path / "runs/example/curve.png").read_bytes().startswith(b"\x89PNG")


def test_examples_can_move_into_the_package(tmp_path: Path) -> None:
    """The first import of a room is the worst place for an example that imports the room's face."""
    shutil.copytree(ROOT / "alseg_core", tmp_path / "alseg_core", ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("strategies", "embed", "models", "metrics"):
        code = re.findall(r"```python\n(.*?)```", (ROOT / "alseg_core" / room / "README.md").read_text(), re.DOTALL)[0]
        (tmp_path / "alseg_core" / room / "aaa.py").write_text(code)
        face = tmp_path / "alseg_core" / room / "__init__.py"
        first = "from __future__ import annotations\n"
        head, found, rest = face.read_text().partition(first)
        assert found
        face.write_text(f"{head}{first}import alseg_core.{room}.aaa\n{rest}")
    command = [sys.executable, "-c", "import alseg_core.loop; print(alseg_core.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and str(tmp_path) in done.stdout, done.stdout + done.stderr
