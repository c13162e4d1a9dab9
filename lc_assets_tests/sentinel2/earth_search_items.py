"""Invented items in the shape of Earth Search's."""

from __future__ import annotations

from typing import Any

from lc_assets.sentinel2.band_table import BANDS
from lc_assets.sentinel2.item.catalog_conventions import EARTH_SEARCH
from lc_assets.sentinel2.item.scene import Scene, parse_scene

HARMONISED = (
    "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/33/U/UB/2024/8/S2A_33UUB_20240820_0_L2A"
)
COLLECTION_1 = (
    "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/33/U/UB/2024/8/"
    "S2A_T33UUB_20240820T102106_L2A"
)
API = "https://earth-search.aws.element84.com/v1/collections"
RING = [[[12.0, 52.2], [13.6, 52.3], [13.7, 53.3], [12.0, 53.2], [12.0, 52.2]]]


def earth_search_item(
    folder: str = HARMONISED,
    *,
    baseline: str = "05.11",
    flag: bool | None = True,
    offset: Any = -0.1,
    scale: Any = 0.0001,
    stac: str = "1.0.0",
) -> dict[str, Any]:
    """An item in the shape of Earth Search's, invented: v1's two collections, or (STAC 1.1) v2's."""
    first = folder == COLLECTION_1
    item_id = folder.rsplit("/", 1)[1]
    collection = "sentinel-2-c1-l2a" if first else "sentinel-2-l2a"
    properties = {
        "datetime": "2024-08-20T10:27:53.031000Z",
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": 12.5,
        "grid:code": "MGRS-33UUB",
        "mgrs:utm_zone": 33,
        "s2:nodata_pixel_percentage": 3.5,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": baseline,
        "s2:product_uri": f"S2A_MSIL2A_20240820T101611_N{baseline.replace('.', '')}_R065_T33UUB_20240820T155103.SAFE",
        "s2:generation_time": "2024-08-20T15:51:03.000000Z",
        "s2:datatake_id": f"GS2A_20240820T101611_047852_N{baseline}",
        "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_20240820T155103_S20240820T102106_N{baseline}",
        **({"proj:code": "EPSG:32633"} if stac == "1.1.0" else {"proj:epsg": 32633}),
        **({} if flag is None else {"earthsearch:boa_offset_applied": flag}),
    }
    gsd = {band.name: band.gsd for band in BANDS}
    assets: dict[str, Any] = {}
    for number, (key, band) in enumerate(EARTH_SEARCH.assets.items()):
        pixel = gsd.get(band, 20)
        side = 109_800 // pixel
        asset = {
            "href": f"{folder}/{band}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "proj:shape": [side, side],
            "proj:transform": [pixel, 0, 300000, 0, -pixel, 5900040],
        }
        declared = {} if offset is None or band == "SCL" else {"scale": scale, "offset": offset}
        if stac == "1.1.0":
            asset["bands"] = [{"name": band, "data_type": "uint16", **{f"raster:{k}": v for k, v in declared.items()}}]
        else:
            asset["raster:bands"] = [{"nodata": 0, "data_type": "uint16", **declared}]
        if first:
            asset |= {"file:size": 1000 + number, "file:checksum": "1220" + f"{number:02x}" * 32}
        assets[key] = asset
        if not first:
            assets[f"{key}-jp2"] = {"href": f"s3://sentinel-s2-l2a/tiles/33/U/UB/2024/8/20/0/{band}.jp2"}
    assets["thumbnail"] = {"href": f"{folder}/thumbnail.jpg"}
    return {
        "type": "Feature",
        "stac_version": stac,
        "id": item_id,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": RING},
        "bbox": [12.0, 52.2, 13.7, 53.3],
        "properties": properties,
        "links": [
            {"rel": "self", "href": f"{API}/{collection}/items/{item_id}"},
            {"rel": "canonical", "href": "s3://sentinel-cogs/item.json"},
        ],
        "assets": assets,
    }


def parsed(item: dict[str, Any]) -> Scene:
    return parse_scene(item, base=item["links"][0]["href"])
