"""Reading a workspace of ITK-SNAP."""

from __future__ import annotations

from xml.etree import ElementTree


def entries(folder: ElementTree.Element) -> dict[str, str]:
    return {entry.get("key"): entry.get("value") for entry in folder.findall("entry")}


def inside(folder: ElementTree.Element, *keys: str) -> ElementTree.Element:
    for key in keys:
        (folder,) = [child for child in folder.findall("folder") if child.get("key") == key]
    return folder
