"""Files for 3D Slicer: a list of points per scan, one at each asked slice, and a table of the cases."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from bench.project.exchange.names import points, segmentation
from bench.project.exchange.places import Place

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


def point_list(places: Sequence[Place]) -> str:
    """Return the points of one scan: label "rank z why", position (left, posterior, superior) in mm."""
    control_points = [
        {
            "id": str(place.asked.rank),
            "label": f"{place.asked.rank} z{place.asked.z} {place.asked.why}",
            "description": f"slice {place.where}, about {place.asked.minutes:.3g} minutes",
            "position": list(place.lps),
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for place in places
    ]
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": control_points,
    }
    return json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=1, ensure_ascii=False) + "\n"


def case_table(images: Mapping[str, str]) -> str:
    """Return the cases as SlicerCaseIterator reads them: paths in columns, relative to the table or absolute.

    images: case -> path of its scan. Column "path" is the root that the extension asks for by default.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ID", "path", "image", "mask", "points"])
    for case, image in images.items():
        writer.writerow([case, ".", image, f"../{segmentation(case)}", points(case).split("/")[1]])
    return text.getvalue()
