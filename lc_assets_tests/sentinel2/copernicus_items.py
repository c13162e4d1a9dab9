"""Invented items in the shape of those of the Copernicus Data Space (the example of eu-cdse/eometadatatool)."""

from __future__ import annotations

from typing import Any

from lc_assets.sentinel2.band_table import BANDS

PRODUCT = "S2A_MSIL2A_20240821T174911_N0511_R141_T13TDE_20240822T001513"
API = "https://stac.dataspace.copernicus.eu/v1/collections/sentinel-2-l2a/items"
ZIPPER = "https://zipper.dataspace.copernicus.eu/odata/v1/Products(7d10d1f8-e4a8-40d8-af15-4c227639d61a)/Nodes"
RING = [[[-106.1, 40.6], [-104.9, 40.6], [-104.9, 41.5], [-106.1, 41.5], [-106.1, 40.6]]]
RESOLUTIONS = {10: (10, 20, 60), 20: (20, 60), 60: (60,)}


def copernicus_item(product: str = PRODUCT, *, baseline: str = "05.11", level: str = "L2A") -> dict[str, Any]:
    """An item of `sentinel-2-l2a` or `sentinel-2-l1c`."""
    satellite, _, datatake, _, orbit, tile, generation = product.split("_")
    folder = f"s3://eodata/Sentinel-2/MSI/{level}/2024/08/21/{product}.SAFE/GRANULE/X/IMG_DATA"
    bands = f"N{baseline}"
    assets: dict[str, Any] = {}
    names = [(band.name, band.gsd) for band in BANDS] + ([("SCL", 20)] if level == "L2A" else [("B10", 60)])
    for name, native in names:
        resolutions = (*((20,) if name == "B01" else ()), *RESOLUTIONS[native]) if level == "L2A" else (native,)
        for gsd in resolutions:
            key = f"{name}_{gsd}m" if level == "L2A" else name
            side = 109_800 // gsd
            file = f"R{gsd}m/{tile}_{datatake}_{key}.jp2"
            assets[key] = {
                "href": f"{folder}/{file}",
                "type": "image/jp2",
                "gsd": gsd,
                "roles": ["data", "sampling:original" if gsd == native else "sampling:downsampled", f"gsd:{gsd}m"],
                "proj:code": "EPSG:32613",
                "proj:shape": [side, side],
                "proj:transform": [gsd, 0, 399960, 0, -gsd, 4600020],
                "file:size": 26_288_482,
                "file:checksum": "1620" + "a7" * 32,
                "auth:refs": ["s3"],
                "storage:refs": ["cdse-s3", "creodias-s3"],
                "alternate:name": "S3",
                "alternate": {"https": {"href": f"{ZIPPER}({file})/$value", "auth:refs": ["oidc"], "storage:refs": []}},
                **({} if name == "SCL" else {"nodata": 0, "raster:scale": 0.0001, "raster:offset": -0.1}),
            }
    assets["thumbnail"] = {"href": "https://datahub.creodias.eu/odata/v1/Assets(2300ed19)/$value", "proj:code": None}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "collection": f"sentinel-2-{level.lower()}",
        "id": product,
        "geometry": {"type": "Polygon", "coordinates": RING},
        "bbox": [-106.1, 40.6, -104.9, 41.5],
        "properties": {
            "datetime": "2024-08-21T17:49:11.024000Z",
            "start_datetime": "2024-08-21T17:49:11.024000Z",
            "end_datetime": "2024-08-21T17:49:11.024000Z",
            "platform": f"sentinel-{satellite[1:].lower()}",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "processing:level": f"L{level[1]}",
            "processing:version": baseline,
            "product:type": f"S2MSI{level[1:]}",
            "eo:cloud_cover": 41.21,
            "sat:relative_orbit": int(orbit[1:]),
            "grid:code": f"MGRS-{tile[1:]}",
            "eopf:datatake_id": f"G{satellite}_{datatake}_047872_{bands}",
            "eopf:datastrip_id": f"{satellite}_OPER_MSI_{level}_DS_2APS_{generation}_S20240821T175425_{bands}",
            **({"statistics": {"nodata": 12.5, "vegetation": 8.7}} if level == "L2A" else {}),
        },
        "links": [
            {"rel": "self", "href": f"{API}/{product}"},
            {"rel": "enclosure", "href": f"s3://eodata/Sentinel-2/MSI/{level}/2024/08/21/{product}.SAFE/"},
        ],
        "assets": assets,
    }
