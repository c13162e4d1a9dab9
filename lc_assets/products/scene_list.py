"""Time, tile, cloud cover and model of scenes, for a list of them, from the documents in the store."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lc_assets.core.json_values import is_percentage
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.item.catalog_conventions import catalog_of
from lc_assets.sentinel2.scene_ids import scene_label
from lc_assets.store.layout import Store
from lc_assets.store.paths import read_json_object, read_parallel


@dataclass(frozen=True)
class SceneFacts:
    """Facts of a scene. A value is None if the documents do not contain it.

    Attributes:
        datetime: time of the acquisition, RFC 3339; only the day if it is known from the id only.
        tile: MGRS tile.
        cloud: cloud cover of the source in percent.
        model: name and version of the model that made the map.
    """

    datetime: str | None = None
    tile: str | None = None
    cloud: float | None = None
    model: str | None = None


def scene_facts(store: Store, items: Collection[str]) -> dict[str, SceneFacts]:
    """Return item id -> facts, from the STAC item of the map, or the registered item of a scene without a map.

    If the document is missing or damaged, tile and day are those of the id.
    """
    return dict(zip(items, read_parallel(lambda item: _facts(store, item), items), strict=True))


def _facts(store: Store, item: str) -> SceneFacts:
    document: dict[str, Any] = {}
    for path in (store.scene(item).stac_item, store.registered(item)):
        found = read_json_object(path)
        if found and isinstance(found.get("properties"), dict):
            document = found
            break
    properties = document.get("properties", {})
    # The item of a map has the properties of its source, under an id of its own.
    acquisition = acquisition_of({**document, "id": item})
    moment, cloud, model = (
        properties.get("datetime"),
        catalog_of(document).cloud(properties),
        properties.get("lc:model"),
    )
    return SceneFacts(
        datetime=moment if isinstance(moment, str) else _day(item),
        tile=acquisition.tile,
        cloud=float(cloud) if is_percentage(cloud) else None,
        model=model if isinstance(model, str) else None,
    )


def _day(item: str) -> str | None:
    label = scene_label(item)
    return None if label == item else label.split()[1]
