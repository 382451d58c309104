"""Files for ITK-SNAP: label descriptions, and a workspace per scan with a landmark at each asked slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any
from xml.sax.saxutils import quoteattr

from bench.project.exchange.colours import drawn, rgb
from bench.project.exchange.names import segmentation
from bench.project.exchange.places import Place
from bench.project.manifest import Manifest

VERSION = "20190612"
"""Release whose workspaces these are (3.8); later ones read them."""
ELSEWHERE = PurePosixPath("/round/itksnap")
"""Folder that a workspace claims to come from where all its paths are relative."""
COLOUR = "1 0.8 0"
"""Colour of the landmarks, red, green, blue in 0..1."""
OFFSET = "5 5"
"""Distance of a landmark's text from its point on the screen, in mm."""

Registry = Mapping[str, Any]


def label_descriptions(manifest: Manifest) -> str:
    """Return the classes as a label description file: index, red, green, blue, alpha, visible, mesh, "name"."""
    lines = ["# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL", '0 0 0 0 0 0 0 "Clear Label"']
    for value, name, code in drawn(manifest):
        red, green, blue = rgb(code)
        lines.append(f'{value} {red} {green} {blue} 1 1 1 "{_plain(name)}"')
    return "\n".join(lines) + "\n"


def workspace(manifest: Manifest, places: Sequence[Place], image: str, saved_in: PurePath) -> str:
    """Return the workspace of one scan.

    ITK-SNAP resolves the part of a path behind SaveLocation against the folder that the workspace is in now, so that
    paths start with SaveLocation and go on relative to it.

    Args:
        manifest: what is asked.
        places: the asked slices of the scan.
        image: path of the scan, absolute or relative to the workspace.
        saved_in: folder that the workspace says it was saved in.
    """
    scan = places[0].scan

    def path(link: str) -> str:
        return link if PurePath(link).is_absolute() else f"{saved_in.as_posix()}/{link}"

    content: Registry = {
        "SaveLocation": saved_in.as_posix(),
        "Version": VERSION,
        "Annotations": {
            "Format": "ITK-SNAP Annotation File",
            "FormatDate": "20150624",
            "Annotations": {
                "ArraySize": len(places),
                **{f"Element[{number}]": _landmark(place) for number, place in enumerate(places)},
            },
        },
        "Layers": {
            "Layer[000]": {
                "AbsolutePath": path(image),
                "Role": "MainRole",
                "ProjectMetaData": {
                    "Files": {"Grey": {"Dimensions": " ".join(map(str, scan.shape))}},
                    "IRIS": {
                        "LabelState": {
                            "CoverageMode": "OverAll",
                            "DrawingLabel": drawn(manifest)[0][0],
                            "OverwriteLabel": 0,
                        },
                        "LabelTable": _label_table(manifest),
                    },
                },
            },
            "Layer[001]": {"AbsolutePath": path(f"../{segmentation(scan.case)}"), "Role": "SegmentationRole"},
        },
    }
    lines = ['<?xml version="1.0" encoding="UTF-8" ?>', "<registry>", *_lines(content, "  "), "</registry>"]
    return "\n".join(lines) + "\n"


def _landmark(place: Place) -> Registry:
    """Return a landmark in the middle of a slice, which ITK-SNAP shows on this slice of this plane alone.

    It counts voxels from their corners, so that the centre of the first one is 0.5.
    """
    return {
        "Type": "LandmarkAnnotation",
        "Pos": " ".join(f"{value + 0.5:g}" for value in place.voxel),
        "Offset": OFFSET,
        "Text": f"{place.asked.rank}: {place.asked.why}",
        "Color": COLOUR,
        "Plane": place.axis,
        "Selected": 0,
        "VisibleInAllPlanes": 0,
        "VisibleInAllSlices": 0,
    }


def _label_table(manifest: Manifest) -> Registry:
    labels = drawn(manifest)
    return {
        "NumberOfElements": len(labels),
        **{
            f"Element[{number}]": {
                "Index": value,
                "Alpha": 255,
                "Color": " ".join(map(str, rgb(code))),
                "Flags": "1 1",
                "Label": _plain(name),
            }
            for number, (value, name, code) in enumerate(labels)
        },
    }


def _lines(content: Registry, indent: str) -> list[str]:
    lines = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}<folder key={quoteattr(key)}>", *_lines(value, indent + "  "), f"{indent}</folder>"]
        else:
            lines.append(f"{indent}<entry key={quoteattr(key)} value={quoteattr(str(value))} />")
    return lines


def _plain(name: str) -> str:
    """Return a name without the quotation mark that ends it in a label description file."""
    return name.replace('"', "'")
