"""The self-contained STAC Catalog of one map. Its Item and the products are in the same folder."""

from __future__ import annotations

import json
from typing import Any

import pystac
from pystac.stac_io import StacIO

from lc_assets.core.stac import GEOJSON, link
from lc_assets.store.paths import StorePath, parse_path
from lc_assets.store.product_layout import CATALOG_FILE


def catalog_files(item: pystac.Item) -> dict[str, bytes]:
    """Return file name -> content of `catalog.json` and of the Item's file, for the folder of the products.

    All links are relative.
    """
    name = f"{item.id}.json"
    catalog = {
        "type": "Catalog",
        "stac_version": pystac.get_stac_version(),
        "id": f"{item.id}-catalog",
        "title": item.properties["title"],
        "description": f"{item.properties['title']}: the map and its overview.",
        "links": [
            link("root", f"./{CATALOG_FILE}"),
            link("item", f"./{name}", GEOJSON, item.properties["title"]),
        ],
    }
    document = item.to_dict(include_self_link=False)
    document["links"] = [*(link(rel, f"./{CATALOG_FILE}") for rel in ("root", "parent")), *document["links"]]
    return {name: _json(document), CATALOG_FILE: _json(catalog)}


class _StoreIO(StacIO):
    """Reads documents only from the store, never from a server that a document names."""

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        return parse_path(str(source)).read_text(encoding="utf-8")

    def write_text(self, dest: Any, txt: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("documents are written by `lc_assets.store.atomic.atomic_output`")


def read_catalog(path: StorePath) -> pystac.Catalog:
    """Read a catalog from a disk or an object store.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    return pystac.Catalog.from_file(str(path), stac_io=_StoreIO())


def _json(document: dict[str, object]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()
