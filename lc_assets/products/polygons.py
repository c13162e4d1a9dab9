"""The map as polygons with class, confidence and hectares: a GeoPackage and a GeoParquet file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize, shapes, sieve

from lc_assets.core.errors import BadReference
from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.inference.class_map import check_codes
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.raster.geoparquet import write_geoparquet

MIN_AREA = 0.5
"""Default of the smallest polygon, in hectares."""
MAX_MIN_AREA = 10_000
"""Largest value of the smallest area, in hectares."""
MAX_PIXELS = 130_000_000
"""Most pixels of a map that is turned into polygons: they are held in memory, 10 bytes for each. A tile has 120
million."""


def write_polygons(
    geopackage: Path | None,
    geoparquet: Path | None,
    classified: Path | str,
    confidence: Path | str,
    min_area: float = MIN_AREA,
) -> int:
    """Write the class areas of a map as polygons, the same into both files, and return how many.

    Areas smaller than `min_area` take the class of their largest neighbour, so no class is invented, and the polygons
    together cover what the map covers. No Data gets no polygon, and is not filled. The raster is not changed.

    Args:
        geopackage, geoparquet: the files to write; None leaves one out.
        classified, confidence: the rasters of the map, as GDAL opens them.
        min_area: area of the smallest polygon in hectares; 0 keeps all. An area without a neighbour stays.

    Raises:
        BadReference: the map has more than `MAX_PIXELS`; see also `check_min_area`.
        StoreError: see `check_codes`.
    """
    from scipy import ndimage

    check_min_area(min_area)
    with rasterio.open(classified) as dataset:
        if dataset.width * dataset.height > MAX_PIXELS:
            raise BadReference(
                f"the map has {dataset.width * dataset.height / 1e6:.0f} million pixels, too many for polygons",
                remedy=f"choose an area of at most {MAX_PIXELS / 1e6:.0f} million, or leave out the polygons",
            )
        codes, transform, crs = dataset.read(1), dataset.transform, dataset.crs
    check_codes(codes, classified)
    known = codes != NO_DATA.code
    least = int(np.ceil(min_area / (abs(transform.a * transform.e) / 10_000) - 1e-9))
    if least > 1 and known.any():
        codes = sieve(codes, min(least, codes.size - 1), mask=known)
    found = [(shapely.geometry.shape(shape), int(code)) for shape, code in shapes(codes, known, transform=transform)]
    numbers = np.arange(1, len(found) + 1)
    with rasterio.open(confidence) as dataset:
        percent = dataset.read(1)
    means = np.zeros(0)
    if found:
        ids = rasterize(
            ((shape, number) for (shape, _), number in zip(found, numbers, strict=True)),
            out_shape=codes.shape,
            transform=transform,
            dtype="int32",
        )
        ids[percent == CONFIDENCE_NODATA] = 0
        means = ndimage.mean(percent, ids, numbers)
    polygons, classes = np.array([shape for shape, _ in found], object), [code for _, code in found]
    columns = {
        "code": np.array(classes, np.int32),
        "class": np.array([CLASSES[code].name for code in classes], object),
        "confidence": np.round(means, 1).astype(np.float64),
        "hectares": np.round(shapely.area(polygons) / 10_000, 4),
    }
    if geopackage:
        _write_geopackage(geopackage, polygons, columns, crs.to_wkt())
    if geoparquet:
        write_geoparquet(geoparquet, polygons, columns, crs.to_wkt())
    return len(found)


def check_min_area(min_area: float) -> None:
    """Check the area of the smallest polygon, in hectares.

    Raises:
        BadReference: it is negative, or not a number.
    """
    if not 0 <= min_area <= MAX_MIN_AREA:
        raise BadReference(
            f"a smallest area of {min_area:g} ha is not possible", remedy=f"give 0 to {MAX_MIN_AREA} (--min-area)"
        )


def _write_geopackage(path: Path, polygons: np.ndarray, columns: dict[str, np.ndarray], crs: str) -> None:
    import pyogrio

    pyogrio.raw.write(
        path,
        shapely.to_wkb(polygons),
        list(columns.values()),
        list(columns),
        crs=crs,
        geometry_type="Polygon",
        driver="GPKG",
        layer="land_cover",
    )
