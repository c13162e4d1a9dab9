"""How a reader draws a map: the fields of the render extension, and the assets with GDAL's and QGIS's legends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lc_assets.core.landcover import NO_DATA, colormap
from lc_assets.core.stac import XML
from lc_assets.raster.cog import CONFIDENCE_NODATA

LEGENDS = {
    "classified_names": ("Names, colours and hectares of the classes, for GDAL", XML),
    "classified_style": ("Style of the class map, for QGIS", XML),
    "overview_names": ("Names, colours and hectares of the classes, for GDAL", XML),
    "overview_style": ("Style of the overview, for QGIS", XML),
}
"""Key of an asset beside a class map -> its title and media type. Its role is `metadata`."""
GDAL_LEGENDS = {"classified_names", "overview_names"}
"""Keys of GDAL's legends."""


def renders() -> Mapping[str, Any]:
    """Return `renders` of a map: its classes, and its confidence in percent."""
    return {
        "classes": {
            "title": "Land-cover classes",
            "assets": ["classified"],
            "nodata": NO_DATA.code,
            "resampling": "nearest",
            "colormap": {str(code): list(rgba) for code, rgba in colormap().items()},
        },
        "confidence": {
            "title": "Probability of the winning class, in percent",
            "assets": ["confidence"],
            "nodata": CONFIDENCE_NODATA,
            "resampling": "average",
            "rescale": [[0, 100]],
            "colormap_name": "cividis",
        },
    }
