"""Element 84's Earth Search v1, played: its API (stac-server counts its items) and its two public buckets on S3.

`sentinel-2-l2a` has COGs whose offset has been taken off, with the JPEG 2000 files that they were made from beside
them, in a bucket that wants payment; `sentinel-2-c1-l2a` has COGs as ESA made the pixels, and their checksums.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from lc_assets.sentinel2.item.catalog_conventions import EARTH_SEARCH
from loopback.relay import Relay
from loopback.scenes import PcScene
from loopback.wire import Answer, Request

ROOT = "https://earth-search.aws.element84.com/v1"
API_HOST = "earth-search.aws.element84.com"
HARMONISED, AS_MADE = "sentinel-2-l2a", "sentinel-2-c1-l2a"
BUCKETS = {
    HARMONISED: "sentinel-cogs.s3.us-west-2.amazonaws.com",
    AS_MADE: "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
}
_FOLDERS = {HARMONISED: "sentinel-s2-l2a-cogs", AS_MADE: "sentinel-2-c1-l2a"}
_KEPT = (
    *("datetime", "eo:cloud_cover", "s2:product_uri", "s2:datatake_id", "s2:datastrip_id", "s2:product_type"),
    *("s2:generation_time", "s2:processing_baseline", "s2:nodata_pixel_percentage"),
)
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class EarthSearch:
    """The service behind a relay.

    Attributes:
        items: collection -> id -> item.
    """

    def __init__(self, relay: Relay) -> None:
        self.items: dict[str, dict[str, dict[str, Any]]] = {HARMONISED: {}, AS_MADE: {}}
        self._objects: dict[str, bytes] = {}
        relay.add_host(API_HOST, self._api)
        for bucket in BUCKETS.values():
            relay.add_host(bucket, self._object)

    def publish(self, scene: PcScene, collection: str, folder: Path) -> dict[str, Any]:
        """Give a scene out as one of a collection's.

        Args:
            scene: of baseline 04.00 or later, whose files carry the offset.
            collection: `HARMONISED` or `AS_MADE`.
            folder: for files that are made on the way.

        Returns:
            The item.
        """
        files = dict(scene.files)
        if collection == HARMONISED:
            files = {name: _harmonised(path, folder) if name != "SCL" else path for name, path in files.items()}
        item = _item(scene, collection, files)
        for key, band in EARTH_SEARCH.assets.items():
            self._objects[item["assets"][key]["href"]] = files[band].read_bytes()
        self.items[collection][item["id"]] = item
        return item

    def _api(self, request: Request) -> Answer:
        if request.path == "/v1/search" and request.method == "POST":
            return self._search(request.json())
        match = re.fullmatch(r"/v1/collections/([^/]+)/items/([^/]+)", request.path)
        item = self.items.get(match[1], {}).get(match[2]) if match else None
        if item is None:
            return Answer.of_json({"code": "NotFound", "description": "Item not found"}, 404)
        return Answer.of_json(item)

    def _search(self, body: dict[str, Any]) -> Answer:
        """By collection and `query`; what else limits a search has no meaning here, and is refused."""
        known = {"collections", "query", "limit", "next"}
        if body.keys() - known:
            return Answer.of_json({"code": "BadRequest", "description": f"{body.keys() - known}"}, 400)
        found = [
            item
            for collection in body["collections"]
            for item in self.items.get(collection, {}).values()
            if all(_holds(item["properties"].get(name), test) for name, test in body.get("query", {}).items())
        ]
        begin, limit = int(body.get("next", 0)), body["limit"]
        links = []
        if len(found[begin : begin + limit]) == limit:  # it does not look whether there are more
            following = {**body, "next": str(begin + limit)}
            links = [{"rel": "next", "method": "POST", "href": f"{ROOT}/search", "merge": False, "body": following}]
        page = found[begin : begin + limit]
        counted = {"numberMatched": len(found), "numberReturned": len(page)}
        context = {"limit": limit, "matched": len(found), "returned": len(page)}
        collection = {"type": "FeatureCollection", "stac_version": "1.0.0", "features": page, "links": links}
        return Answer.of_json({**collection, **counted, "context": context})

    def _object(self, request: Request) -> Answer:
        """GET and HEAD as S3 answers them."""
        if "X-Amz-Signature" in request.query or "sig=" in request.query:
            return _error(400, "InvalidArgument")
        content = self._objects.get(f"https://{request.host}{request.path}")
        if content is None:
            return _error(404, "NoSuchKey")
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "image/tiff"}
        headers |= {"Server": "AmazonS3", "Last-Modified": email.utils.formatdate(time.time() - 86400, usegmt=True)}
        if request.headers.get("If-None-Match") == etag:
            return Answer(304, headers)
        if request.headers.get("If-Match", etag) != etag:
            return _error(412, "PreconditionFailed")
        asked = _RANGE.fullmatch(request.headers.get("Range", ""))
        if not asked:
            return Answer(200, headers, content)
        begin, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        if begin >= len(content):
            return _error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {begin}-{end}/{len(content)}"
        return Answer(206, headers, content[begin : end + 1])


def _holds(value: Any, test: dict[str, Any]) -> bool:
    """Whether a property meets the operators of the query extension that are used here."""
    told = {"eq": lambda a, b: a == b, "lte": lambda a, b: a is not None and a <= b, "in": lambda a, b: a in b}
    return all(told[operator](value, limit) for operator, limit in test.items())


def _error(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Answer(status, {"Content-Type": "application/xml", "Server": "AmazonS3"}, body.encode())


def _harmonised(path: Path, folder: Path) -> Path:
    """A copy of a band's file with the offset taken off: 0 stays "no data", nothing else becomes 0."""
    with rasterio.open(path) as dataset:
        dn, profile = dataset.read(1), dataset.profile
    folder.mkdir(parents=True, exist_ok=True)
    profile.update(driver="GTiff", tiled=False, nodata=0)
    for name in ("blockxsize", "blockysize", "interleave", "compress"):
        profile.pop(name, None)
    with rasterio.open(folder / path.name, "w", compress="deflate", **profile) as dataset:
        dataset.write(np.where(dn, np.maximum(dn, 1001) - 1000, 0).astype(dn.dtype), 1)
    return folder / path.name


def _item(scene: PcScene, collection: str, files: dict[str, Path]) -> dict[str, Any]:
    """An item in the shape of the collection's."""
    source = scene.item["properties"]
    platform, tile, sensed = source["platform"].lower(), source["s2:mgrs_tile"], source["datetime"]
    day, short = sensed[:10].replace("-", ""), f"S{platform[-2:].upper()}"
    moment = f"{day}T{sensed[11:19].replace(':', '')}"
    harmonised = collection == HARMONISED
    item_id = f"{short}_{tile}_{day}_0_L2A" if harmonised else f"{short}_T{tile}_{moment}_L2A"
    zone, band, square = int(tile[:2]), tile[2], tile[3:]
    place = f"{zone}/{band}/{square}/{sensed[:4]}/{int(sensed[5:7])}/{item_id}"
    base = f"https://{BUCKETS[collection]}/{_FOLDERS[collection]}/{place}"
    epsg = source["proj:epsg"]
    properties = {
        **{name: source[name] for name in _KEPT if name in source},
        **{"platform": platform, "constellation": "sentinel-2", "instruments": ["msi"]},
        **{"grid:code": f"MGRS-{zone}{band}{square}", "mgrs:utm_zone": zone, "mgrs:latitude_band": band},
        **{"mgrs:grid_square": square, "s2:tile_id": item_id, "s2:sequence": "0"},
    }
    if harmonised:
        properties |= {"proj:epsg": epsg, "earthsearch:boa_offset_applied": True}
    else:
        properties |= {"proj:code": f"EPSG:{epsg}", "proj:centroid": {"lat": 0.0, "lon": 0.0}}
    assets: dict[str, Any] = {}
    for key, name in EARTH_SEARCH.assets.items():
        theirs = scene.item["assets"][name]
        scale: dict[str, Any] = {} if name == "SCL" else {"scale": 0.0001, "offset": -0.1}
        raster: dict[str, Any] = {"nodata": 0, "data_type": "uint8" if name == "SCL" else "uint16", **scale}
        described = {
            **{"proj:shape": theirs["proj:shape"], "proj:transform": theirs["proj:transform"]},
            "raster:bands": [{**raster, "spatial_resolution": theirs["gsd"]}],
            "roles": ["data", "reflectance"],
        }
        cog: dict[str, Any] = {
            "href": f"{base}/{name}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        }
        if not harmonised:
            content = files[name].read_bytes()
            cog |= {"file:size": len(content), "file:checksum": "1220" + hashlib.sha256(content).hexdigest()}
        assets[key] = {**cog, **described}
    for key in [key for key in assets if harmonised]:
        jp2 = f"s3://sentinel-s2-l2a/tiles/{zone}/{band}/{square}/{EARTH_SEARCH.assets[key]}.jp2"
        assets[f"{key}-jp2"] = {**assets[key], "href": jp2, "type": "image/jp2"}
    assets["thumbnail"] = {"href": f"{base}/thumbnail.jpg", "type": "image/jpeg", "roles": ["thumbnail"]}
    address = f"{ROOT}/collections/{collection}"
    return json.loads(
        json.dumps(
            {
                **{"type": "Feature", "stac_version": "1.0.0", "id": item_id, "collection": collection},
                **{name: scene.item[name] for name in ("geometry", "bbox")},
                "properties": properties,
                "assets": assets,
                "links": [
                    {"rel": "self", "type": "application/geo+json", "href": f"{address}/items/{item_id}"},
                    {"rel": "canonical", "href": f"s3://{BUCKETS[collection].partition('.')[0]}/{place}.json"},
                    {"rel": "collection", "type": "application/json", "href": address},
                ],
            }
        )
    )
