"""A QGIS project (`.qgz`) of the rasters of an export. QGIS is not needed to write it.

A `.qgz` file is a ZIP archive with the project as XML (`pages/templates/project.qgs.j2`). Paths in it are relative, so
the folder can be moved.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from xml.etree import ElementTree

from markupsafe import Markup
from rasterio.crs import CRS

from lc_assets.products.export.layout import ExportLayout
from lc_assets.products.pages.html import render
from lc_assets.products.pages.layers import confidence_colours
from lc_assets.raster.grid import Grid
from lc_assets.raster.legend import QGIS_VERSION, Entry, paletted_renderer

_MARGIN = 0.05
"""Space around the map when the project opens, as a share of its width and height."""
_YEAR = (1980, 1, 1, 0, 0, 0)
"""Time of the file in the archive: the same project gives the same bytes."""


def project_file(files: ExportLayout, grid: Grid, entries: Sequence[Entry], with_picture: bool) -> bytes:
    """Return the content of a `.qgz` file.

    Args:
        files: the rasters of the project, which are beside it.
        grid: grid of the map, which fills the view at first.
        entries: the classes of the map.
        with_picture: whether the picture is one of the layers.
    """
    layers = [("Land cover", files.classified.name), ("Confidence", files.confidence.name)]
    if with_picture:
        layers.append(("Picture", files.picture.name))
    content = render(
        "project.qgs.j2",
        version=QGIS_VERSION,
        title=f"Land cover of {files.name}",
        crs=CRS.from_user_input(grid.crs),
        layers=[
            {
                "id": "".join(c if c.isalnum() else "_" for c in file),
                "title": title,
                "file": file,
                "shown": title != "Confidence",
            }
            for title, file in layers
        ],
        extent=_sides(grid, 0),
        view=_sides(grid, _MARGIN),
        palette=Markup(ElementTree.tostring(paletted_renderer(entries), encoding="unicode")),
        ramp=[(percent, "#{:02x}{:02x}{:02x}".format(*confidence_colours()[percent])) for percent in range(0, 101, 10)],
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{files.name}.qgs", _YEAR), content.encode(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _sides(grid: Grid, margin: float) -> dict[str, float]:
    """Return the sides of a grid, moved outwards by a share of its width and height."""
    left, bottom, right, top = grid.bounds
    across, up = margin * (right - left), margin * (top - bottom)
    return {"xmin": left - across, "ymin": bottom - up, "xmax": right + across, "ymax": top + up}
