"""STAC extensions, media types and conventions that more than one STAC document uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lc_assets.core.landcover import LandCover

STAC_VERSION = "1.1.0"

CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
MLM = "https://stac-extensions.github.io/mlm/v1.6.0/schema.json"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v1.2.0/schema.json"
"""The only version that has both `proj:code` and `proj:epsg`, which is all that stackstac 0.5 knows."""
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
"""The last version with `raster:bands`, which readers of STAC 1.0 know. The schema of 2.0 does not allow that field."""
RENDER = "https://stac-extensions.github.io/render/v2.0.0/schema.json"
EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
SAT = "https://stac-extensions.github.io/sat/v1.1.0/schema.json"
SENTINEL2 = "https://stac-extensions.github.io/sentinel-2/v1.0.0/schema.json"

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
GEOJSON = "application/geo+json"
JSON = "application/json"
XML = "application/xml"

SYNTHETIC = "Synthetic: made by lc_assets, not by a satellite"
"""The `description` of the items of synthetic scenes."""


def is_synthetic(properties: Mapping[str, Any]) -> bool:
    """Return whether a scene was made by lc_assets, by the properties of its item."""
    return bool(properties.get("description") == SYNTHETIC)


def link(rel: str, href: str, media_type: str = JSON, title: str | None = None) -> dict[str, Any]:
    """Return a link of a STAC document."""
    return {"rel": rel, "href": href, "type": media_type, **({"title": title} if title else {})}


def multihash(sha256: str) -> str:
    """Return a SHA-256 digest (hex) in the form of `file:checksum`: multihash code 0x12, length 0x20, digest."""
    return f"1220{sha256}"


def digest_of(checksum: str) -> str | None:
    """Return the SHA-256 digest (hex) of a multihash, or None if it is a multihash of another algorithm."""
    return checksum[4:] if re.fullmatch("1220[0-9a-f]{64}", checksum) else None


def class_objects(classes: tuple[LandCover, ...], nodata: LandCover | None = None) -> list[dict[str, Any]]:
    """Return `classification:classes` for a class table. The class `nodata` gets `nodata: true`."""
    return [
        {
            "value": c.code,
            # STAC allows only letters, digits, '-' and '_' in a class name.
            "name": c.name.replace(" ", ""),
            "description": c.title,
            "color_hint": c.hex,
            **({"nodata": True} if c is nodata else {}),
        }
        for c in classes
    ]
