"""The footprint of a map that covers a part of its scene."""

from __future__ import annotations

import json
from typing import Any

from lc_assets.raster.grid import Grid


def part_footprint(footprint: dict[str, Any], grid: Grid) -> dict[str, Any]:
    """Return the `geometry` and `bbox`, in degrees, of what a grid has of a scene.

    Args:
        footprint: `geometry` and `bbox` of the scene. They are returned where the grid crosses the antimeridian.
    """
    import numpy as np
    import shapely  # which costs a tenth of a second
    from shapely.geometry import shape

    from lc_assets.raster.polygons import DEGREES, Polygons

    box = Polygons(("map",), np.array([shapely.box(*grid.bounds)]), grid.crs).to(DEGREES).shapes[0]
    west, _, east, _ = shapely.bounds(box)
    if east - west > 180:
        return footprint
    inside = shapely.intersection(shapely.make_valid(shape(footprint["geometry"])), box)
    if shapely.area(inside) == 0 or inside.geom_type not in ("Polygon", "MultiPolygon"):
        inside = box
    rounded = shapely.set_precision(inside, 1e-7)
    bbox = [float(number) for number in shapely.bounds(rounded)]
    return {"geometry": json.loads(shapely.to_geojson(rounded)), "bbox": bbox}
