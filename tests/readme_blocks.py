"""Code and YAML of a page: every block that starts with a comment naming a file is written to that file."""

from __future__ import annotations

import re
from pathlib import Path


def write_blocks(page: Path, folder: Path) -> list[str]:
    """Write the blocks of ``page`` to ``folder`` and return the names of the files."""
    blocks = re.findall(r"```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) == len(re.findall(r"```(?:python|yaml)\n", page.read_text())), "a block names no file"
    for name, text in blocks:
        (folder / name).write_text(text)
    return [name for name, _ in blocks]
