"""The STAC items and catalog of synthetic scenes, like those of the Planetary Computer's `sentinel-2-l2a` (STAC 1.0.0,
`proj:epsg`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.warp import transform_geom

from lc_assets.core.stac import COG, SYNTHETIC
from lc_assets.demo.sky import SWATH_EDGE
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS, SCL, SCL_GSD


@dataclass(frozen=True)
class SceneName:
    """What the id of a scene consists of.

    Attributes:
        sensing: start of the datatake, UTC.
        satellite: `A` or `B`.
        tile: MGRS tile.
    """

    sensing: datetime
    satellite: str
    tile: str

    @property
    def id(self) -> str:
        """Id of the item, as on the Planetary Computer."""
        return f"{self._begin}_R008_T{self.tile}_{self.sensing:%Y%m%d}T140000"

    @property
    def product(self) -> str:
        """Name of the product at ESA."""
        return f"{self._begin}_N0511_R008_T{self.tile}_{self.sensing:%Y%m%d}T140000.SAFE"

    @property
    def _begin(self) -> str:
        return f"S2{self.satellite}_MSIL2A_{self.sensing:%Y%m%dT%H%M%S}"


DEMO_SCENE = SceneName(datetime(2024, 6, 21, 10, 36, 29), "B", "32ULC")
DEMO_ITEM_ID = DEMO_SCENE.id
TRUTH = "truth"
"""Asset key and file stem of the raster with the true classes."""

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


def write_item(
    path: Path,
    grid: Grid,
    scl: np.ndarray,
    name: SceneName = DEMO_SCENE,
    swath_edge: tuple[float, float] = SWATH_EDGE,
) -> None:
    """Write the item's JSON. Its percentages come from the scene classification.

    Args:
        path: target file, in the folder of the bands. A truth in this folder becomes an asset.
        grid: grid of the 10 m bands.
        scl: (rows, columns) uint8 at 20 m.
        name: what the item's id consists of.
        swath_edge: as `sky.SWATH_EDGE`; zeros for a scene inside the swath.
    """
    geometry = _footprint(grid, swath_edge)
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
            "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.0.0/schema.json",
        ],
        "id": name.id,
        "geometry": geometry,
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": _properties(grid, scl, name),
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ],
        "assets": _assets(grid, (path.parent / f"{TRUTH}.tif").exists()),
    }
    path.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")


def write_catalog(path: Path, items: Sequence[str], description: str) -> None:
    """Write a static catalog that lists items."""
    catalog = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "lc-assets-demo",
        "description": description,
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            *({"rel": "item", "href": f"./{id}/{id}.json", "type": "application/geo+json"} for id in items),
        ],
    }
    path.write_text(json.dumps(catalog, indent=2) + "\n", encoding="utf-8")


def _footprint(grid: Grid, swath_edge: tuple[float, float]) -> dict[str, Any]:
    """Return the footprint as a GeoJSON polygon in degrees, without the corner outside the swath."""
    left, bottom, right, top = grid.bounds
    down, across = swath_edge
    edge = [(left, top - down * (top - bottom)), (left + across * (right - left), top)]
    ring = [edge[0], (left, bottom), (right, bottom), (right, top), edge[1], edge[0]]
    geometry = transform_geom(grid.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    return {"type": "Polygon", "coordinates": [[list(point) for point in geometry["coordinates"][0]]]}


def _properties(grid: Grid, scl: np.ndarray, name: SceneName) -> dict[str, Any]:
    counts = np.bincount(scl.ravel(), minlength=12)
    seen = max(int(counts[1:].sum()), 1)
    percent = {f"s2:{name}_percentage": round(100 * int(counts[code]) / seen, 6) for code, name in _SHARES.items()}
    return {
        "datetime": f"{name.sensing:%Y-%m-%dT%H:%M:%S}.024000Z",
        "description": SYNTHETIC,
        "platform": f"Sentinel-2{name.satellite}",
        "constellation": "Sentinel 2",
        "instruments": ["msi"],
        "proj:epsg": int(grid.crs.split(":")[1]),
        "eo:cloud_cover": round(100 * int(counts[8:11].sum()) / seen, 6),
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 8,
        "s2:mgrs_tile": name.tile,
        "s2:datatake_type": "INS-NOBS",
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": name.product,
        "s2:processing_baseline": "05.11",
        "s2:generation_time": f"{name.sensing:%Y-%m-%d}T14:00:00.000000Z",
        "s2:nodata_pixel_percentage": round(100 * int(counts[0]) / scl.size, 6),
        **percent,
    }


def _assets(grid: Grid, has_truth: bool) -> dict[str, Any]:
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
    if has_truth:
        assets[TRUTH] = {**_asset(TRUTH, "What the landscape really is", 10, grid), "roles": ["labels"]}
    return assets


def _asset(stem: str, title: str, gsd: int, grid: Grid) -> dict[str, Any]:
    return {
        "href": f"./{stem}.tif",
        "type": COG,
        "title": title,
        "gsd": float(gsd),
        "proj:shape": list(grid.shape),
        "proj:bbox": list(grid.bounds),
        "proj:transform": list(grid.transform)[:6],
        "roles": ["data"],
    }
