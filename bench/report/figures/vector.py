"""A figure as SVG that may stand in a page: plain shapes and text, no styles, scripts or references to outside."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
FONTS = "DejaVu Sans, Verdana, sans-serif"
"""Where the first is missing, the second is as wide, and the others are narrower: no text leaves its place."""
ELEMENTS = {"svg", "g", "defs", "clipPath", "path", "use", "rect", "text", "tspan", "image"}
ATTRIBUTES = {"d", "x", "y", "width", "height", "viewBox", "transform", "clip-path", "preserveAspectRatio"}
PROPERTIES = {
    *("fill", "fill-opacity", "fill-rule", "opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-linecap"),
    *("stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "font-size", "font-weight", "font-style"),
    *("text-anchor", "image-rendering"),
}
"""Properties that may stand as attributes, which a page allows whose policy forbids styles."""
OWNER = "recipe "
"""Beginning of the gid of artists that belong to one recipe."""

ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


def belong(recipe: str, *artists: Artist) -> None:
    """Mark artists as those of one recipe; their groups in the SVG have the attribute ``data-recipe``."""
    for artist in artists:
        artist.set_gid(OWNER + recipe)


def svg(figure: Figure, name: str) -> str:
    """Return a figure as SVG, reproducible byte by byte.

    name: the beginning of its ids; letters, digits, ".", "_" and "-". Only the elements and attributes above are kept,
    and references to parts of the figure or to pictures within it.
    """
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    ids = {old: f"{name}-{number}" for number, old in enumerate(_referred(root))}
    (whole,) = _kept(root, ids)
    whole.attrib |= {"font-family": FONTS, "stroke-linejoin": "round", "stroke-linecap": "butt"}
    return ElementTree.tostring(whole, encoding="unicode")


def _referred(root: ElementTree.Element) -> list[str]:
    """Return the ids that the figure refers to, in order."""
    found = [
        match
        for element in root.iter()
        for value in (element.get(f"{{{XLINK}}}href", ""), element.get("clip-path", ""))
        for match in re.findall(r"^(?:url\()?#([^)]+)\)?$", value)
    ]
    return list(dict.fromkeys(found))


def _kept(element: ElementTree.Element, ids: dict[str, str]) -> list[ElementTree.Element]:
    """Return the element with what may stay of it; the children of a group that says nothing; or nothing."""
    tag = element.tag.removeprefix(f"{{{SVG}}}")
    if tag not in ELEMENTS:
        return []
    attributes = dict(_attributes(element, ids))
    children = [kept for child in element for kept in _kept(child, ids)]
    if tag in ("g", "defs") and not (attributes and children):
        return children if tag == "g" else [_made(tag, {}, children)] if children else []
    new = _made(tag, attributes, children)
    if tag in ("text", "tspan"):
        new.text = element.text
    return [new]


def _made(tag: str, attributes: dict[str, str], children: list[ElementTree.Element]) -> ElementTree.Element:
    new = ElementTree.Element(f"{{{SVG}}}{tag}", attributes)
    new.extend(children)
    return new


def _attributes(element: ElementTree.Element, ids: dict[str, str]) -> Any:
    """Yield the attributes that may stay, those of ``style`` among them."""
    for name, value in element.attrib.items():
        if name == "id":
            if value.startswith(OWNER):
                yield "data-recipe", value.removeprefix(OWNER)
            elif value in ids:
                yield "id", ids[value]
        elif name == f"{{{XLINK}}}href":
            if value.startswith("#"):
                yield name, f"#{ids[value[1:]]}"
            elif value.startswith("data:image/png;base64,"):
                yield name, value.replace("\n", "")
        elif name == "style":
            for part in value.split(";"):
                label, _, setting = (word.strip() for word in part.partition(":"))
                if label in PROPERTIES:
                    yield label, setting
        elif name == "clip-path":
            yield name, f"url(#{ids[value[5:-1]]})"
        elif name in ATTRIBUTES and not value.startswith("rotate(-0 "):
            yield name, " ".join(value.split())
