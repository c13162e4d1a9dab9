"""Image tiles of the class maps of a store, in Web Mercator: made when a browser asks for them, and not stored.

A tile shows the maps that are chosen, the first one on top. Where it has no data, the next one is visible. GDAL warps
each map from its own UTM zone, so maps of different zones fit each other to a pixel of the tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.products.pages.locator_map import Ring
from lc_assets.raster.render import encode_image

MIN_ZOOM, MAX_ZOOM = 6, 16
"""A scene is about 45 pixels wide at the first zoom. Below it a tile would be made of hundreds of scenes."""
_SIDE = 256
_EARTH = 2 * math.pi * 6_378_137.0
"""Length of the equator of Web Mercator, in metres."""
_MARGIN = 0.01
"""Share by which the box of a footprint is enlarged: a footprint is a few pixels less exact than its raster."""


@dataclass(frozen=True)
class MapSource:
    """A class map that tiles show.

    Attributes:
        key: `scenes/<ID>` or `maps/<NAME>`.
        classified, overview: its rasters.
        moment: acquisition time; None for a season map.
    """

    key: str
    classified: Path
    overview: Path
    moment: datetime | None
    rings: tuple[Ring, ...]


def mercator(longitude: float, latitude: float) -> tuple[float, float]:
    """Return a position in the square of Web Mercator: 0 to 1 from the west, and from the north."""
    latitude = math.radians(max(-85.0, min(85.0, latitude)))
    return (longitude + 180) / 360, (1 - math.asinh(math.tan(latitude)) / math.pi) / 2


def sources_of_tile(sources: Iterable[MapSource], z: int, x: int, y: int) -> list[MapSource]:
    """Return the maps whose footprint may be in a tile."""
    return [source for source in sources if _touches(source.rings, z, x, y)]


def _touches(rings: Sequence[Ring], z: int, x: int, y: int) -> bool:
    number = 2**z
    for ring in rings:
        across, down = zip(*(mercator(*position) for position in ring), strict=True)
        margin = _MARGIN * (max(across) - min(across) + max(down) - min(down))
        west, east, north, south = min(across) - margin, max(across) + margin, min(down) - margin, max(down) + margin
        # Longitudes of an outline that crosses the antimeridian go on beyond 180 degrees.
        beside = any(west < (x + 1) / number + turn and east > x / number + turn for turn in (-1, 0, 1))
        if beside and north < (y + 1) / number and south > y / number:
            return True
    return False


def tile_png(sources: Iterable[MapSource], z: int, x: int, y: int) -> bytes:
    """Return a tile of 256 x 256 pixels: a PNG with the colours of the classes, transparent where no map has data.

    Args:
        sources: the maps, the uppermost first. One whose files are missing or damaged is left out.
        z, x, y: the tile, counted from the north-west.
    """
    codes = np.full((_SIDE, _SIDE), NO_DATA.code, np.uint8)
    for source in sources_of_tile(sources, z, x, y):
        free = codes == NO_DATA.code
        if not free.any():
            break
        try:
            codes[free] = _warped(source, z, x, y)[free]
        except (RasterioError, OSError):
            continue
    codes[codes > NO_DATA.code] = NO_DATA.code
    image = Image.fromarray(codes)
    image.putpalette(bytes(value for c in ALL_CLASSES for value in c.rgb))
    alphas = bytes(0 if c is NO_DATA else 255 for c in ALL_CLASSES)
    return encode_image(image, "PNG", transparency=alphas)


def _warped(source: MapSource, z: int, x: int, y: int) -> np.ndarray:
    """Return the class codes of a map in a tile; 10 outside of the map."""
    size = _EARTH / 2**z / _SIDE
    left, top = -_EARTH / 2 + x * _SIDE * size, _EARTH / 2 - y * _SIDE * size
    ground = size / math.cosh((top - _SIDE / 2 * size) * 2 * math.pi / _EARTH)  # metres on the ground per pixel
    with _opened(source, ground) as raster:
        nearest = raster.res[0] >= ground
        with WarpedVRT(
            raster,
            crs="EPSG:3857",
            transform=Affine(size, 0, left, 0, -size, top),
            width=_SIDE,
            height=_SIDE,
            nodata=NO_DATA.code,
            resampling=Resampling.nearest if nearest else Resampling.mode,
        ) as warped:
            codes: np.ndarray = warped.read(1)
            return codes


def _opened(source: MapSource, ground: float) -> DatasetReader:
    """Open the coarsest raster or overview level of a map whose pixels are not wider than `ground` metres.

    Levels whose size was rounded are not used: their pixels are not exactly where they should be.
    """
    overview = rasterio.open(source.overview)
    if overview.res[0] <= ground:
        return overview
    overview.close()
    with rasterio.open(source.classified) as raster:
        (rows, columns), width = raster.shape, raster.res[0]
        levels = [
            level
            for level, factor in enumerate(raster.overviews(1))
            if rows % factor == 0 and columns % factor == 0 and factor * width <= ground
        ]
    return rasterio.open(source.classified, OVERVIEW_LEVEL=levels[-1] if levels else "NONE")
