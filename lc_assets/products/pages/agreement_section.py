"""How far a scene's map agrees with other maps: a section that the file server puts into the report when it is opened.

The figures are made after the report, and may change later. So they are read from the store when the report is opened,
and only those of the present map are shown.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from lc_assets.core.errors import LandCoverError
from lc_assets.products.agreement.scene import agreement_folder, documents_of_map
from lc_assets.products.pages.formats import percent, text
from lc_assets.products.pages.html import render
from lc_assets.store.layout import SceneLayout

AGREEMENT_HERE = Markup("<!-- agreement -->")
"""The place in the report. Escaped texts cannot contain it."""


def with_agreement(page: bytes, scene: SceneLayout) -> bytes:
    """Return a report with its section on agreement; the report itself if there are no figures."""
    try:
        rows = [_row(document, scene) for document in documents_of_map(scene)]
    except (LandCoverError, OSError, KeyError, TypeError, ValueError, IndexError):  # written by another program
        return page
    if not rows:
        return page
    return page.replace(AGREEMENT_HERE.encode(), render("agreement.html.j2", references=rows).encode(), 1)


def _row(document: dict[str, Any], scene: SceneLayout) -> dict[str, Any]:
    """Return the values of one reference."""
    reference, pixels, sample = document["reference"], document["pixels"], document["sample"]["overall"]
    low, high = sample["interval"]
    found = document["full_count"]["overall"]
    return {
        "title": text(f"{reference['title']}, {reference['year']}" if reference["year"] else reference["title"]),
        "overall": "no pixel was scored" if found is None else percent(found),
        "interval": None if low is None else f"{percent(low)} to {percent(high)}",
        "scored": percent(pixels["scored"] / max(pixels["map"], 1)),
        "folder": f"agreement/{agreement_folder(scene, str(reference['name'])).name}",
    }
