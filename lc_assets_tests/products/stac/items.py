"""Items of the Planetary Computer's shape, and the classified Items made from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from affine import Affine

from lc_assets.products.stac.catalog import catalog_files
from lc_assets.products.stac.item import ClassifiedScene, build_item
from lc_assets.products.stac.map_item import ProductFile
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.item.scene import parse_scene
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.inference.contracts import CONTRACT

CREATED = "2026-11-23T21:00:00Z"
TOKEN = "sv=2024&sig=SECRET"
ITEM_URL = "https://example.com/collections/sentinel-2-l2a/items/S2B_MSIL2A_20240825T173909_R098_T13TDE"


def pc_item(**properties):
    """A minimal item like the Planetary Computer's, with signed hrefs."""
    west, south, east, north = bbox = [-106.2, 41.4, -104.8, 42.4]
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_MSIL2A_20240825T173909_R098_T13TDE_20240825T215747",
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "bbox": bbox,
        "properties": {
            "datetime": "2024-08-25T17:39:09.024000Z",
            "platform": "Sentinel-2B",
            "constellation": "Sentinel 2",
            "instruments": ["msi"],
            "eo:cloud_cover": 48.7,
            "sat:relative_orbit": 98,
            "s2:mgrs_tile": "13TDE",
            "s2:processing_baseline": "05.11",
            "s2:product_type": "S2MSI2A",
            **properties,
        },
        "links": [
            {"rel": "self", "href": f"{ITEM_URL}?{TOKEN}"},
            {"rel": "license", "href": f"https://example.com/licence?{TOKEN}"},
        ],
        "assets": {band: {"href": f"https://blob.example.com/{band}.tif?{TOKEN}"} for band in BAND_NAMES},
    }


def product(name):
    return ProductFile(name, 1234, "ab" * 32)


def described(source):
    grid = Grid("EPSG:32613", Affine(10, 0, 399960, 0, -10, 4700040), 600, 500)
    layout = SceneLayout(source["id"], Path(source["id"]))
    paths = (layout.classified, layout.confidence, layout.overview, layout.thumbnail, layout.report)
    return ClassifiedScene(
        layout=layout,
        files={path.name: product(path.name) for path in paths},
        source=source,
        source_href="./raw_bands/item.json",
        grid=grid,
        overview_grid=grid.coarsened(8),
        pixels=np.array([20_000] * 10 + [100_000]),
        contract=CONTRACT,
        model_href="../../models/eurosat12-gap/model.json",
        created=CREATED,
        parameters={"stride": "16", "resampling": "bilinear"},
        software={"lc_assets": "0.1.0", "gdal": "3.9.3"},
    )


def item_of(source):
    """The JSON of the classified item."""
    item = build_item(described(parse_scene(source).document))
    return json.loads(catalog_files(item)[f"{item.id}.json"])


def hrefs(value):
    """Every `href` in a document, at any depth."""
    if isinstance(value, dict):
        yield from (v for k, v in value.items() if k == "href")
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from hrefs(part)


def band(document):
    return document["assets"]["classified"]["bands"][0]
