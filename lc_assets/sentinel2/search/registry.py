"""Registered items: what the partition keys stand for. Plain files in the store, one an item, put whole."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.store.atomic import put
from lc_assets.store.layout import Store


@dataclass(frozen=True)
class RegisteredItems:
    """Items by id: those registered in the store first, then the configured catalog."""

    store: Store
    catalog: StacCatalogClient

    def register(self, scene: Scene) -> None:
        """Keep the item (hrefs absolute and unsigned) under its id; an earlier one of this id is replaced.

        Raises:
            StoreError: the store cannot be written.
        """
        content = json.dumps(scene.document, indent=2) + "\n"
        put(self.store.registered(scene.id), content.encode(), item=scene.id, asset="registration")

    def scene(self, item_id: str) -> Scene:
        """The item behind an id; one that only the catalog knows is registered on the way.

        Raises:
            BadReference, BadItem: it is unknown, or unusable.
        """
        scene = self.find(item_id)
        if not self.store.registered(item_id).exists():
            self.register(scene)
        return scene

    def find(self, item_id: str) -> Scene:
        """The item behind an id, without registering it.

        Raises:
            BadReference, BadItem: it is unknown, or unusable.
        """
        path = self.store.registered(item_id)
        return parse_scene(read_document(path)) if path.exists() else self.catalog.scene(item_id)
