"""Parts of a user beside the study that names them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.bench.conftest import study_file

__all__ = ["beside", "study_file"]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder a command is run in, with the module of parts in it."""
    shutil.copy(Path(__file__).parent / "my_parts.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_parts", "mistakes", "broken", "needy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path
