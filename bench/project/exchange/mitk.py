"""Files for MITK: a segmentation task list with one task a scan, and names and colours of the labels."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from bench.project.exchange.colours import drawn
from bench.project.exchange.names import MITK_LABELS, result, segmentation
from bench.project.exchange.places import Place
from bench.project.manifest import Manifest


def task_list(
    manifest: Manifest, places: Mapping[str, Sequence[Place]], images: Mapping[str, str], prefilled: Collection[str]
) -> str:
    """Return the task list; paths are relative to it or absolute.

    MITK takes a task whose result exists for done, so that the result is another file than the one in
    ``segmentations``; that one is where to start from if it is prefilled.

    Args:
        manifest: what is asked.
        places: case -> its asked slices.
        images: case -> path of its scan.
        prefilled: cases whose label files hold proposals.
    """
    tasks = []
    for case, own in places.items():
        slices = "; ".join(f"{place.where} ({place.asked.why})" for place in sorted(own, key=lambda place: place.index))
        task = {
            "Name": case,
            "Description": f"Annotate {len(own)} slices, counted from 0: {slices}",
            "Image": images[case],
            "Result": result(case).split("/")[1],
        }
        if case in prefilled:
            task["Segmentation"] = f"../{segmentation(case)}"
        tasks.append(task)
    content = {
        "FileFormat": "MITK Segmentation Task List",
        "Version": 1,
        "Name": f"{manifest.project}, round {manifest.round + 1}",
        "Defaults": {"LabelNameSuggestions": MITK_LABELS.split("/")[1], "LabelName": drawn(manifest)[0][1]},
        "Tasks": tasks,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def label_suggestions(manifest: Manifest) -> str:
    """Return the names and colours of the classes that are drawn, by value."""
    labels = [{"name": name, "color": code} for _, name, code in drawn(manifest)]
    return json.dumps(labels, indent=1, ensure_ascii=False) + "\n"
