"""New files from templates beside this code; what exists is never overwritten."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alseg_core.errors import ConfigError
from alseg_core.visible import visible
from bench.templates import templates


def render(template: str, **values: Any) -> str:
    """Return a template of this folder with its values.

    In templates, ``{{ value | yaml }}`` writes a value as YAML on one line, ``{{ text | line }}`` text for a comment.
    """
    environment = templates(Path(__file__).parent)
    environment.filters |= {"yaml": _yaml, "line": visible}
    return environment.get_template(template).render(values)


def _yaml(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...")


def check_new(*paths: Path) -> None:
    """Raise ConfigError if one of the files exists."""
    existing = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if existing:
        raise ConfigError(
            f"{', '.join(existing)} exist{'s' if len(existing) == 1 else ''} already, and nothing is overwritten; "
            "choose another name, or move the file away."
        )


def write_new(files: Mapping[Path, str]) -> None:
    """Write text files that do not exist yet. Raises ConfigError, before any is written, if one exists."""
    check_new(*files)
    for path, text in files.items():
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror}); use another folder.") from None
