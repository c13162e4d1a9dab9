"""Annual reference maps as the Planetary Computer on loopback has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds

from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets_tests.conftest import Desk
from loopback.planetary_computer import PlanetaryComputer
from loopback.stac_api import PUBLIC_HOST, PUBLIC_ROOT

QUICK = RetryPolicy(connect=2.0, read=0.8, backoff=0.05, tries=3)
CATALOG = StacCatalogClient(PUBLIC_ROOT, "sentinel-2-l2a", QUICK)
ANY_BLOB = r"blob\.core\.windows\.net/"
STEP = 1 / 12_000
LULC_CODES = (1, 2, 5, 7, 11)


@dataclass
class World:
    """The Planetary Computer with both annual maps around the demo scene, and the scene with its map.

    Attributes:
        worldcover: codes of 2021 of the two tiles as one raster, whose upper left corner is `corner`.
        border: its column at which the second tile starts.
        lulc: year -> codes on the scene's own grid.
    """

    pc: PlanetaryComputer
    desk: Desk
    grid: Grid
    worldcover: np.ndarray
    corner: tuple[float, float]
    border: int
    lulc: dict[int, np.ndarray]

    @property
    def scene(self) -> Scene:
        return parse_scene(read_document(self.desk.store.registered(DEMO_ITEM_ID)))

    def document(self, reference: str) -> dict[str, Any]:
        folder = self.desk.folder(DEMO_ITEM_ID).folder / "agreement" / reference
        return json.loads((folder / "agreement.json").read_text())

    def requests(self) -> list[Any]:
        return [e for e in self.pc.relay.exchanges if e.host == self.pc.blobs.host]


def cog(folder: Path, codes: np.ndarray, crs: str, corner: tuple[float, float], step: float) -> Path:
    """A COG like the Planetary Computer's references: deflate, blocks, overviews, nodata 0."""
    path = folder / "made.tif"
    profile = {"driver": "COG", "count": 1, "dtype": "uint8", "nodata": 0, "compress": "deflate", "blocksize": 512}
    at = Affine(step, 0, corner[0], 0, -step, corner[1])
    with rasterio.open(path, "w", crs=crs, transform=at, height=codes.shape[0], width=codes.shape[1], **profile) as d:
        d.write(codes, 1)
    return path


def published(
    pc: PlanetaryComputer,
    path: Path,
    collection: str,
    item_id: str,
    asset: str,
    begin: str,
    end: str,
    **properties: Any,
) -> dict[str, Any]:
    """Put a raster into storage and its item into the catalogue, as the Planetary Computer has them."""
    with rasterio.open(path) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": None, "start_datetime": begin, "end_datetime": end, **properties},
        "links": [],
        "assets": {
            asset: {"href": pc.blobs.url(f"{collection}/{item_id}.tif"), "type": "image/tiff"},
            "tilejson": {"href": f"https://{PUBLIC_HOST}/api/data/v1/item/tilejson.json", "type": "application/json"},
        },
    }
    return pc.publish(item, {asset: path})


def collection_of(name: str) -> dict[str, Any]:
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2017-01-01T00:00:00Z", None]]},
    }
    described = {"title": name, "description": name, "license": "CC-BY-4.0", "extent": extent, "links": []}
    return {"type": "Collection", "stac_version": "1.0.0", "id": name, **described}
