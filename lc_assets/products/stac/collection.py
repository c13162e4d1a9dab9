"""The STAC Collection of all maps in a store, with a summary of its items. The index has the items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.core.stac import CLASSIFICATION, COG, STAC_VERSION, class_objects, link
from lc_assets.products.stac.map_item import (
    CLASSIFIED,
    CONFIDENCE,
    LICENCE,
    OVERVIEW,
    PROBABILITIES,
    PROVIDERS,
    REPORT,
    THUMBNAIL,
    code_band,
    percent_band,
    probability_bands,
)
from lc_assets.products.stac.renders import LEGENDS
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE

COLLECTION_ID = "sentinel-2-land-cover"
PARQUET = "application/vnd.apache.parquet"

_MAX_VALUES = 500
"""Largest number of different values of a property that a summary lists."""


@dataclass(frozen=True)
class Summary:
    """A summary of the items.

    Attributes:
        items: number of items.
        bbox: west, south, east, north in degrees.
        interval: first and last acquisition, RFC 3339 in UTC; None if there is no item.
        cloud: smallest and largest cloud cover, in percent; None if no item has one.
        hectares: class name as in `lc:hectares` -> sum over all items. Maps overlap, so the sum is not an area of land.
        values: property -> value -> number of items with this value.
        updated: creation time of the newest item, RFC 3339.
    """

    items: int
    bbox: tuple[float, float, float, float] = (-180.0, -90.0, 180.0, 90.0)
    interval: tuple[str | None, str | None] = (None, None)
    cloud: tuple[float, float] | None = None
    hectares: dict[str, float] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    updated: str | None = None


def collection_document(summary: Summary, state: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `collection.json`. Its links are relative.

    Args:
        state: state of the writer, stored as `lc:index`.
    """
    values = {name: sorted(found) for name, found in summary.values.items() if 0 < len(found) <= _MAX_VALUES}
    models = summary.values.get("lc:model", {})
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [CLASSIFICATION],
        "id": COLLECTION_ID,
        "title": "Land cover of all scenes",
        "description": "Land-cover maps at 10 m, each predicted from one Sentinel-2 scene by a neural network. The "
        f"items are in {INDEX_FILE} (stac-geoparquet); their hrefs are relative to the folder of this document.",
        "keywords": ["land cover", "Sentinel-2", "classification", "EuroSAT"],
        "license": "other",
        "providers": PROVIDERS,
        "extent": {
            "spatial": {"bbox": [list(summary.bbox)]},
            "temporal": {"interval": [list(summary.interval)]},
        },
        "summaries": {
            **values,
            **({"eo:cloud_cover": _range(*summary.cloud)} if summary.cloud else {}),
            "classification:classes": class_objects(ALL_CLASSES, NO_DATA),
        },
        "item_assets": _item_assets(),
        "assets": {
            "items": {
                "href": f"./{INDEX_FILE}",
                "type": PARQUET,
                "title": "All items, as stac-geoparquet",
                "roles": ["collection-mirror"],
            }
        },
        "links": [
            link("root", f"./{COLLECTION_FILE}"),
            link("items", f"./{INDEX_FILE}", PARQUET, "All items, as stac-geoparquet"),
            LICENCE,
        ],
        **({"updated": summary.updated} if summary.updated else {}),
        "lc:items": summary.items,
        "lc:hectares": summary.hectares,
        "lc:items_by_model": dict(sorted(models.items())),
        "lc:index": state,
    }


def _range(low: float, high: float) -> dict[str, float]:
    return {"minimum": low, "maximum": high}


def _item_assets() -> dict[str, Any]:
    """Return the assets of the items of `lc_assets.products.stac.item`. A map of windows has no probabilities."""

    def raster(title: str, roles: list[str], bands: list[dict[str, Any]]) -> dict[str, Any]:
        return {"type": COG, "title": title, "roles": roles, "bands": bands}

    return {
        "classified": raster(CLASSIFIED, ["data"], [code_band()]),
        "confidence": raster(CONFIDENCE, ["data", "confidence"], [percent_band("confidence")]),
        "probabilities": raster(PROBABILITIES, ["data"], probability_bands()),
        "overview": raster(OVERVIEW, ["overview"], [code_band()]),
        **{key: {"type": kind, "title": title, "roles": ["metadata"]} for key, (title, kind) in LEGENDS.items()},
        "thumbnail": {"type": "image/png", "title": THUMBNAIL, "roles": ["thumbnail"]},
        "report": {"type": "text/html", "title": REPORT, "roles": ["metadata"]},
    }
