"""Registered items, whose ids are the partition keys. Each is one JSON file in the store, written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from lc_assets.core.errors import BadReference
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.sentinel2.product import product_named
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.scene_names import SceneNames, is_full_name, is_short_name
from lc_assets.store.atomic import put
from lc_assets.store.ids import checked_id, is_id
from lc_assets.store.layout import Store
from lc_assets.store.paths import reading


@dataclass(frozen=True)
class RegisteredItems:
    """Finds items by id: first among those registered in the store, then in the configured catalog."""

    store: Store
    catalog: StacCatalogClient

    def register(self, scene: Scene) -> None:
        """Write the item (with absolute, unsigned hrefs) to the store. An earlier item with this id is replaced.

        Raises:
            StoreError: the store cannot be written.
        """
        content = json.dumps(scene.document, indent=2) + "\n"
        put(self.store.registered(scene.id), content.encode(), item=scene.id, asset="registration")

    def scene(self, item_id: str) -> Scene:
        """Return the scene of an id. An item that is found in the catalog only is registered.

        Raises:
            BadReference, BadItem: the id is unknown or is the name of a product, or its item cannot be used.
        """
        scene = self.find(item_id)
        if scene.id != item_id:
            raise BadReference(
                f"the id of the product {item_id} in the catalog is {scene.id}",
                remedy=f"use that id: lc-assets register {scene.id}",
            )
        if not self.store.registered(item_id).exists():
            self.register(scene)
        return scene

    def named(self, name: str) -> Scene:
        """Return the scene that a user names, without registering its item.

        Args:
            name: the id of an item or the name of a product, here or in the catalog; or a short name of a scene of the
                store (`lc_assets.sentinel2.search.scene_names`).

        Raises:
            BadReference, BadItem: the name fits no scene or several, or the item cannot be used.
            StoreError: the store cannot be read.
        """
        if is_full_name(name) or (is_id(name) and self.store.registered(name).exists()):
            return self.find(name)
        if name in self._maps:
            raise BadReference(f"{name[:100]} is a season map, not a scene", remedy="name its scenes")
        is_here = is_short_name(name) or self._names.matching(name)
        return self.find(self._names.one(name) if is_here else checked_id(name))

    @cached_property
    def _names(self) -> SceneNames:
        return SceneNames(self.store)

    @cached_property
    def _maps(self) -> list[str]:
        with reading(self.store.root):
            return self.store.map_names()

    def find(self, item_id: str) -> Scene:
        """Return the scene of an id, or of a product's name, without registering its item.

        Raises:
            BadReference, BadItem: the id is unknown, or its item cannot be used.
        """
        product = product_named(item_id)
        for name in dict.fromkeys((item_id, *(product.ids if product else ()))):
            path = self.store.registered(name)
            if path.exists():
                return parse_scene(read_document(path))
        return self.catalog.scene(item_id)
