"""What a dataset.json says, as the Medical Segmentation Decathlon and both versions of nnU-Net write it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alseg_core.class_names import LONGEST
from alseg_core.visible import visible

IGNORED = "ignore"
"""nnU-Net's name of the label of pixels without annotation."""


@dataclass(frozen=True)
class DatasetJson:
    """Facts from a dataset.json; empty where it says nothing."""

    classes: dict[int, str] = field(default_factory=dict)
    """Label value -> name of the class."""
    title: str = ""
    citation: str = ""
    licence: str = ""
    ct: bool = False
    """Whether the (first) channel is CT."""
    ignored: int | None = None
    """Label value of pixels without annotation."""
    trouble: str = ""
    """Why the file could not be read."""


def read_dataset_json(root: Path) -> DatasetJson:
    """Return what dataset.json in a folder says; a file that cannot be used is no error, but a trouble to report."""
    path = root / "dataset.json"
    if not path.is_file():
        return DatasetJson()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError, RecursionError) as error:
        return DatasetJson(
            trouble=f"dataset.json cannot be read ({visible(str(error), 200)}), so nothing is taken from it"
        )
    labels = content.get("labels")
    values = dict(filter(None, map(_class, labels.items()))) if isinstance(labels, dict) else {}
    ignored = next((value for value, name in values.items() if name.casefold() == IGNORED), None)
    return DatasetJson(
        classes={value: name for value, name in values.items() if value != ignored},
        title=_text(content.get("name")),
        citation=_text(content.get("reference")),
        licence=_text(content.get("licence") or content.get("license")),
        ct=_first_channel(content.get("channel_names") or content.get("modality")).upper() == "CT",
        ignored=ignored,
    )


def _class(entry: tuple[Any, Any]) -> tuple[int, str] | None:
    """Return (value, name) of ``"1": "liver"`` or ``"liver": 1``; None for a region of several labels."""
    one, other = entry
    if isinstance(other, int) and not isinstance(other, bool):
        one, other = str(other), one
    known = str(one).lstrip("-").isdecimal() and isinstance(other, str) and other.strip()
    return (int(one), visible(other.strip())[:LONGEST]) if known else None


def _first_channel(channels: Any) -> str:
    name = channels.get("0") if isinstance(channels, dict) else None
    return name if isinstance(name, str) else ""


def _text(value: Any) -> str:
    return visible(value.strip(), 300) if isinstance(value, str) else ""
