"""A scene's own Item -> its row in the index.

The Item lies beside the products, and its hrefs are relative to its own folder. A row's are relative to the folder of
the collection, `<store>/collection/`: `../scenes/<ID>/<ID>_classified.tif`. So a store that is moved or copied as a
whole keeps an index that holds; `absolute` makes them URLs for a catalogue that lies elsewhere. A row belongs to the
Collection, links to the Item that it was made of (`canonical`), and has its areas as numbers of their own, too.
"""

from __future__ import annotations

import json
import posixpath
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lc_assets.core.stac import GEOJSON
from lc_assets.products.collection.sanitize import areas, check_values, members, sanitize
from lc_assets.products.stac.collection import COLLECTION_FILE, COLLECTION_ID
from lc_assets.store.layout import Store
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath

SUFFIX = "_classified"
"""Ends the id of a map's Item; before it is the scene's."""
_READERS = 16
"""Documents read at once: of an object store each takes a round trip."""

_MOST_BYTES = 16_000_000

Document = dict[str, Any]


@dataclass
class Rows:
    """What was read of some scenes.

    Attributes:
        rows: one a scene.
        gone: scenes without a document.
        faulty: scene -> what is wrong with its document.
    """

    rows: list[Document] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    faulty: dict[str, str] = field(default_factory=dict)


def document_of(store: Store, scene: str) -> StorePath:
    """Where a scene's Item lies."""
    return store.scene(scene).folder / f"{scene}{SUFFIX}.json"


def read_rows(store: Store, scenes: Iterable[str]) -> Rows:
    """The rows of some scenes, several read at once.

    Raises:
        OSError: the store cannot be read.
    """
    found = Rows()

    def read(scene: str) -> tuple[str, bytes | str | None]:
        place = document_of(store, scene)
        try:
            return scene, (_odd(place) if isinstance(place, Path) else None) or place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return scene, None

    with ThreadPoolExecutor(_READERS, thread_name_prefix="items") as pool:
        for scene, content in pool.map(read, scenes):
            if content is None:
                found.gone.append(scene)
                continue
            if isinstance(content, str):
                found.faulty[scene] = content
                continue
            try:
                found.rows.append(row_of(json.loads(content), scene))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
                found.faulty[scene] = f"{type(error).__name__}: {error}"[:200]
    return found


def _odd(path: Path) -> str | None:
    """Why a local file is not even opened, or None: one odd entry must not keep the others out.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:  # a link to itself, a folder that may not be entered
        return f"its Item cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "its Item is no file"
    return f"its Item has {status.st_size / 1e6:.0f} MB" if status.st_size > _MOST_BYTES else None


def row_of(document: Document, scene: str) -> Document:
    """An Item as the index has it.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, OverflowError: it is no Item of that scene, or none that can be
            a row beside others.
    """
    check_values(document)
    if document["id"] != f"{scene}{SUFFIX}":
        raise ValueError(f"its id is {str(document['id'])[:100]}")
    for name, kind in (("geometry", dict), ("bbox", list), ("properties", dict), ("assets", dict)):
        if not isinstance(document[name], kind):
            raise TypeError(f"its {name} is a {type(document[name]).__name__}")
    if not isinstance(document["assets"]["classified"]["href"], str):
        raise TypeError("the href of its classified asset is no text")
    folder = f"../scenes/{scene}"
    usable = {**members(document), "properties": sanitize(document["properties"])}
    row = _rebased(usable, lambda href: posixpath.normpath(posixpath.join(folder, href)))
    ours = {"href": f"./{COLLECTION_FILE}", "type": "application/json"}
    row["collection"] = COLLECTION_ID
    row["properties"].update(_flat(row["properties"].get("lc:hectares")))
    row["links"] = [
        *({"rel": rel, **ours} for rel in ("root", "parent", "collection")),
        {"rel": "canonical", "href": f"{folder}/{scene}{SUFFIX}.json", "type": GEOJSON},
        *(link for link in row["links"] if link["rel"] not in ("root", "parent", "collection", "canonical", "self")),
    ]
    return row


def _flat(hectares: Any) -> dict[str, float]:
    """`lc:hectares_Forest` and so on: CQL2, in which rustac and STAC APIs are asked, has no word for a field of an
    object."""
    return {f"lc:hectares_{name}": area for name, area in areas(hectares).items()}


def absolute(row: Document, base: str) -> Document:
    """A row with whole URLs.

    Args:
        row: of the index.
        base: where the store's root is, as others reach it: `s3://bucket/prefix`, `https://...`, `/a/folder`.
    """
    root = base.rstrip("/")

    def whole(href: str) -> str:
        return f"{root}/{posixpath.normpath(posixpath.join('collection', href))}"

    return _rebased(row, whole)


def base_of(store: Store) -> str:
    """The store's root as URLs begin: that of the object store, or a file URL."""
    return str(store.root) if isinstance(store.root, ObjectPath) else store.root.absolute().as_uri()


def _rebased(document: Document, new: Callable[[str], str]) -> Document:
    """A copy whose relative hrefs are others."""

    def href(old: str) -> str:
        return old if "://" in old or old.startswith("/") else new(old)

    row = deepcopy(document)
    for part in (*row["assets"].values(), *row["links"]):
        part["href"] = href(part["href"])
    expression = row["properties"].get("processing:expression")
    if isinstance(expression, dict) and expression.get("format") == "stac-mlm":
        expression["expression"] = href(expression["expression"])
    return row
