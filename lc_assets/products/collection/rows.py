"""Converts the Item of a scene to its row in the index.

The hrefs of an Item are relative to the folder of its scene. The hrefs of a row are relative to the folder of the
collection, `<store>/collection/`: `../scenes/<ID>/<ID>_classified.tif`. So the index stays valid if the store is moved
or copied. `absolute` converts the hrefs to URLs for another catalog. A row belongs to the Collection, links to
its Item (`canonical`), and repeats the areas of the classes as single properties.
"""

from __future__ import annotations

import json
import posixpath
import stat
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lc_assets.core.stac import GEOJSON, link
from lc_assets.products.collection.sanitize import areas, check_values, members, sanitize
from lc_assets.products.stac.collection import COLLECTION_ID
from lc_assets.store.layout import COLLECTION_FILE, SCENES_FOLDER, Store
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import read_parallel
from lc_assets.store.product_layout import MAP_SUFFIX

_MAX_BYTES = 16_000_000

Document = dict[str, Any]


@dataclass
class Rows:
    """The rows of some scenes.

    Attributes:
        rows: one row per usable document.
        missing: ids of the scenes without a document.
        faulty: scene id -> the fault of its document.
    """

    rows: list[Document] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    faulty: dict[str, str] = field(default_factory=dict)


def read_rows(store: Store, scenes: Iterable[str]) -> Rows:
    """Read the rows of some scenes, several in parallel.

    Raises:
        OSError: the store cannot be read.
    """
    found = Rows()

    def read(scene: str) -> tuple[str, bytes | str | None]:
        path = store.scene(scene).stac_item
        try:
            return scene, (_why_unreadable(path) if isinstance(path, Path) else None) or path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return scene, None

    for scene, content in read_parallel(read, scenes):
        if content is None:
            found.missing.append(scene)
        elif isinstance(content, str):
            found.faulty[scene] = content
        else:
            try:
                found.rows.append(row_of(json.loads(content), scene))
            except json.JSONDecodeError as error:
                found.faulty[scene] = f"its Item is no JSON: {error}"
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
                found.faulty[scene] = f"{type(error).__name__}: {error}"[:200]
    return found


def _why_unreadable(path: Path) -> str | None:
    """Return why a local file cannot be read, or None. One bad file must not stop the update.

    Raises:
        FileNotFoundError, NotADirectoryError: the file does not exist.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:  # for example a link to itself, or a folder without permission
        return f"its Item cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "its Item is not a file"
    too_large = f"its Item has {status.st_size / 1e6:.0f} MB, more than {_MAX_BYTES / 1e6:.0f} MB"
    return too_large if status.st_size > _MAX_BYTES else None


def row_of(document: Document, scene: str) -> Document:
    """Return the row of an Item.

    Args:
        document: the Item as JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, OverflowError: the document is not an Item of that scene, or it
            has values that the index cannot hold.
    """
    check_values(document)
    if document["id"] != f"{scene}{MAP_SUFFIX}":
        raise ValueError(f"its id is {str(document['id'])[:100]}")
    for name, kind in (("geometry", dict), ("bbox", list), ("properties", dict), ("assets", dict)):
        if not isinstance(document[name], kind):
            raise TypeError(f"its {name} is a {type(document[name]).__name__}")
    if not isinstance(document["assets"]["classified"]["href"], str):
        raise TypeError("the href of its classified asset is not a string")
    folder = f"../{SCENES_FOLDER}/{scene}"
    usable = {**members(document), "properties": sanitize(document["properties"])}
    row = _rebased(usable, lambda href: posixpath.normpath(posixpath.join(folder, href)))
    row["collection"] = COLLECTION_ID
    row["properties"].update(_flat(row["properties"].get("lc:hectares")))
    row["links"] = [
        *(link(rel, f"./{COLLECTION_FILE}") for rel in ("root", "parent", "collection")),
        link("canonical", f"{folder}/{scene}{MAP_SUFFIX}.json", GEOJSON),
        *(old for old in row["links"] if old["rel"] not in ("root", "parent", "collection", "canonical", "self")),
    ]
    return row


def _flat(hectares: Any) -> dict[str, float]:
    """Return the areas as single properties, such as `lc:hectares_Forest`.

    Queries of rustac and of STAC APIs use CQL2, which cannot name a field inside an object.
    """
    return {f"lc:hectares_{name}": area for name, area in areas(hectares).items()}


def absolute(row: Document, base: str) -> Document:
    """Return a row of the index, or the Collection, with absolute URLs.

    Args:
        row: the document.
        base: URL or path of the store's root for the readers: `s3://bucket/prefix`, `https://...`, `/a/folder`.
    """
    root = base.rstrip("/")

    def whole(href: str) -> str:
        return f"{root}/{posixpath.normpath(posixpath.join('collection', href))}"

    return _rebased(row, whole)


def base_of(store: Store) -> str:
    """Return the URL of the store's root: the URL of the object store, or a file URL."""
    return str(store.root) if isinstance(store.root, ObjectPath) else store.root.absolute().as_uri()


def _rebased(document: Document, new: Callable[[str], str]) -> Document:
    """Return a copy of a document with `new` applied to its relative hrefs."""

    def href(old: str) -> str:
        return old if "://" in old or old.startswith("/") else new(old)

    row = deepcopy(document)
    for part in (*row["assets"].values(), *row["links"]):
        part["href"] = href(part["href"])
    expression = row.get("properties", {}).get("processing:expression")
    if isinstance(expression, dict) and expression.get("format") == "stac-mlm":
        expression["expression"] = href(expression["expression"])
    return row
