"""IO manager of catalog: the STAC documents beside the products."""

from __future__ import annotations

import json

import pystac

from lc_assets.core.checksum import sha256_of_files
from lc_assets.core.errors import StoreError
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import catalog_metadata
from lc_assets.products.stac.catalog import catalog_files, read_catalog
from lc_assets.products.stac.validate import validate_offline
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout
from lc_assets.store.product_layout import CATALOG_FILE


class CatalogIOManager(SceneIOManager):
    """Validates and writes an Item and its Catalog. Reads the Catalog."""

    def write(self, scene: SceneLayout, value: pystac.Item) -> Written:
        """Validate and write the documents.

        Raises:
            StoreError: a document is not valid, and no document is written; or the store cannot be written.
        """
        files = catalog_files(value)
        faults = [fault for content in files.values() for fault in validate_offline(json.loads(content))]
        if faults:
            raise StoreError(
                f"the STAC documents are not valid: {'; '.join(faults[:5])}",
                item=scene.item,
                asset="catalog",
                remedy="look at the source item: what it says is carried into these documents",
            )
        with atomic_output(scene.folder, item=scene.item, asset="catalog", last=CATALOG_FILE) as stage:
            for name, content in files.items():
                (stage / name).write_bytes(content)
            version = sha256_of_files(stage.iterdir())
        return Written(catalog_metadata(scene, value, files, self.store.url), version)

    def read(self, scene: SceneLayout) -> pystac.Catalog:
        """Return the stored Catalog."""
        return read_catalog(scene.catalog)
