"""The STAC item and catalog of the demo scene, like those of the Planetary Computer's `sentinel-2-l2a` (STAC 1.0.0,
`proj:epsg`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.warp import transform_geom

from lc_assets.demo.sky import SWATH_EDGE
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS, SCL, SCL_GSD

DEMO_ITEM_ID = "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000"
TRUTH = "truth"
"""Asset key and file stem of the raster with the true classes."""

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_TITLES = {1: "Coastal aerosol", 2: "Blue", 3: "Green", 4: "Red", 8: "NIR", 9: "Water vapor"}
_SHARES = {
    3: "cloud_shadow",
    4: "vegetation",
    5: "not_vegetated",
    6: "water",
    8: "medium_proba_clouds",
    9: "high_proba_clouds",
    10: "thin_cirrus",
}
"""SCL code -> the `s2:*_percentage` property in which it is counted."""


def write_item(path: Path, grid: Grid, scl: np.ndarray) -> None:
    """Write the item's JSON. Its percentages come from the scene classification.

    Args:
        path: target file, in the folder of the bands.
        grid: grid of the 10 m bands.
        scl: (rows, columns) uint8 at 20 m.
    """
    geometry = _footprint(grid)
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
            "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.0.0/schema.json",
        ],
        "id": DEMO_ITEM_ID,
        "geometry": geometry,
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": _properties(grid, scl),
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ],
        "assets": _assets(grid),
    }
    path.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")


def write_catalog(path: Path) -> None:
    """Write a static catalog that lists the item."""
    catalog = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "lc-assets-demo",
        "description": "One synthetic Sentinel-2 scene with a known truth",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "item", "href": f"./{DEMO_ITEM_ID}/{DEMO_ITEM_ID}.json", "type": "application/geo+json"},
        ],
    }
    path.write_text(json.dumps(catalog, indent=2) + "\n", encoding="utf-8")


def _footprint(grid: Grid) -> dict[str, Any]:
    """Return the footprint as a GeoJSON polygon in degrees, without the corner outside the swath."""
    left, bottom, right, top = grid.bounds
    down, across = SWATH_EDGE
    edge = [(left, top - down * (top - bottom)), (left + across * (right - left), top)]
    ring = [edge[0], (left, bottom), (right, bottom), (right, top), edge[1], edge[0]]
    geometry = transform_geom(grid.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    return {"type": "Polygon", "coordinates": [[list(point) for point in geometry["coordinates"][0]]]}


def _properties(grid: Grid, scl: np.ndarray) -> dict[str, Any]:
    counts = np.bincount(scl.ravel(), minlength=12)
    seen = max(int(counts[1:].sum()), 1)
    percent = {f"s2:{name}_percentage": round(100 * int(counts[code]) / seen, 6) for code, name in _SHARES.items()}
    return {
        "datetime": "2024-06-21T10:36:29.024000Z",
        "description": "Synthetic: made by lc_assets, not by a satellite",
        "platform": "Sentinel-2B",
        "constellation": "Sentinel 2",
        "instruments": ["msi"],
        "proj:epsg": int(grid.crs.split(":")[1]),
        "eo:cloud_cover": round(100 * int(counts[8:11].sum()) / seen, 6),
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 8,
        "s2:mgrs_tile": "32ULC",
        "s2:datatake_type": "INS-NOBS",
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": "S2B_MSIL2A_20240621T103629_N0511_R008_T32ULC_20240621T140000.SAFE",
        "s2:processing_baseline": "05.11",
        "s2:generation_time": "2024-06-21T14:00:00.000000Z",
        "s2:nodata_pixel_percentage": round(100 * int(counts[0]) / scl.size, 6),
        **percent,
    }


def _assets(grid: Grid) -> dict[str, Any]:
    assets = {}
    for band in BANDS:
        title = (
            f"Band {band.name[1:].lstrip('0')} - {_TITLES.get(int(band.name[1:], 16), band.common_name)} - {band.gsd}m"
        )
        described = {
            "name": band.name,
            "common_name": band.common_name,
            "center_wavelength": band.center_wavelength,
            "full_width_half_max": band.full_width_half_max,
        }
        assets[band.name] = {**_asset(band.name, title, band.gsd, grid.coarsened(band.factor)), "eo:bands": [described]}
    coarse = grid.coarsened(SCL_GSD // 10)
    assets[SCL] = _asset(SCL, "Scene classification map (SCL)", SCL_GSD, coarse)
    assets[TRUTH] = {**_asset(TRUTH, "What the landscape really is", 10, grid), "roles": ["labels"]}
    return assets


def _asset(stem: str, title: str, gsd: int, grid: Grid) -> dict[str, Any]:
    return {
        "href": f"./{stem}.tif",
        "type": _COG,
        "title": title,
        "gsd": float(gsd),
        "proj:shape": list(grid.shape),
        "proj:bbox": list(grid.bounds),
        "proj:transform": list(grid.transform)[:6],
        "roles": ["data"],
    }
