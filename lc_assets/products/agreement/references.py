"""Finds a reference map: an annual map of a STAC API, the truth asset of the scene's item, or the user's own raster.

To add an annual map, add an entry to `ANNUAL` and a crosswalk of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from lc_assets.core.errors import BadItem, BadReference, LandCoverError, naming, without_query
from lc_assets.core.urls import is_remote
from lc_assets.products.agreement.crosswalk import Crosswalk, read_crosswalk, shipped
from lc_assets.sentinel2.item.hrefs import absolute, why_not_a_raster
from lc_assets.sentinel2.item.limits import check_size
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.ids import checked_id
from lc_assets.store.object_store import SCHEMES
from lc_assets.store.paths import StorePath, parse_path

TRUTH = "truth"
"""Key of the asset with the true classes in a scene's item. The demo scene has one."""
_TRUTH_CROSSWALK = "eurosat"


@dataclass(frozen=True)
class Annual:
    """An annual land-cover map of a STAC API.

    Attributes:
        asset: key of the raster asset in its items.
        attribution: attribution that its authors require.
        accuracy: accuracy that its authors publish.
        version_property: property of its items with the version; empty if there is none.
    """

    asset: str
    title: str
    attribution: str
    accuracy: str
    version_property: str = ""


ANNUAL = MappingProxyType(
    {
        "esa-worldcover": Annual(
            asset="map",
            title="ESA WorldCover",
            attribution="(c) ESA WorldCover project, contains modified Copernicus Sentinel data processed by the ESA "
            "WorldCover consortium, CC BY 4.0",
            accuracy="its authors report an overall accuracy of 74.4 % (2020, v100) and 76.7 % (2021, v200), for the "
            "whole Earth and its own eleven classes",
            version_property="esa_worldcover:product_version",
        ),
        "io-lulc-annual-v02": Annual(
            asset="data",
            title="10 m annual land use / land cover (9 classes, v2)",
            attribution="Impact Observatory, Microsoft and Esri, CC BY 4.0",
            accuracy="its authors report 85 % for the first map by this method (2020, ten classes; Karra et al. 2021, "
            "doi:10.1109/IGARSS47720.2021.9553499), but no figure for this version is known here",
        ),
    }
)
"""Collection id -> annual map. The crosswalk has the same name as the collection."""


@dataclass(frozen=True)
class Tile:
    """One raster of a reference map.

    Attributes:
        source: path on this machine or in the store, or an unsigned URL.
        item: id of the STAC item that lists the raster; None if there is none.
    """

    source: StorePath | str
    item: str | None = None

    @property
    def shown(self) -> str:
        """Path or unsigned URL, for messages and documents."""
        return without_query(str(self.source))


@dataclass(frozen=True)
class Reference:
    """A reference map for one scene.

    Attributes:
        name: name of its folder and prefix of its metadata: letters, digits, '.', '_', '-'.
        tiles: the rasters that intersect the scene's footprint.
        crosswalk: relates its legend to that of the map.
        year: year of an annual map; otherwise None.
        version: version of an annual map; None if its items have none.
        attribution, accuracy: see `Annual`.
    """

    name: str
    title: str
    tiles: tuple[Tile, ...]
    crosswalk: Crosswalk
    year: int | None = None
    version: str | None = None
    attribution: str = ""
    accuracy: str = "not known"


def find_reference(
    reference: str, scene: Scene, catalog: StacCatalogClient, crosswalk: str | None = None, fallback: str | None = None
) -> Reference:
    """Return the reference map of a scene by its name, path or URL.

    Args:
        reference: name of an annual map (`ANNUAL`), `truth`, or the path or URL of a raster.
        scene: the scene. Its footprint selects the tiles of an annual map.
        catalog: the STAC API of the annual maps.
        crosswalk: path of the crosswalk; None means the one of the package for this name.
        fallback: path of the crosswalk to use if the package has none for this name.

    Raises:
        LandCoverError: the reference is unknown, has no crosswalk or does not cover the scene, or the API does not
            answer (transient).
    """
    if reference in ANNUAL:
        return _annual(
            reference, _crosswalk(reference, crosswalk, fallback), scene, replace(catalog, collection=reference)
        )
    if reference == TRUTH:
        return Reference(
            TRUTH,
            "truth raster of the scene's item",
            (_truth(scene),),
            _crosswalk(_TRUTH_CROSSWALK, crosswalk, fallback),
            accuracy="depends on the author of the item",
        )
    tile, stem = _own_raster(reference)
    name = name_of(reference)
    if name in (TRUTH, *ANNUAL):
        raise BadReference(
            f"the reference {tile.shown} would get the name {name}, which another reference has",
            remedy="rename the file",
        )
    return Reference(name, stem, (tile,), _crosswalk(stem, crosswalk, fallback))


def name_of(reference: str) -> str:
    """Return the name of a reference's folder and metadata, from a name, path or URL: letters, digits, '.', '_', '-'.

    Raises:
        BadReference: the name cannot be used for a folder.
    """
    if reference in (TRUTH, *ANNUAL):
        return reference
    stem = PurePosixPath(urlsplit(reference).path if is_remote(reference) else reference).stem
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")
    return checked_id(name[:80].strip("-._") or "reference")


def check_names(references: Sequence[str]) -> None:
    """Check that no two references have the same name, because one would overwrite the results of the other.

    Raises:
        BadReference: two references have the same name.
    """
    seen: dict[str, str] = {}
    for reference in dict.fromkeys(references):
        key = re.sub(r"[._-]", "_", name_of(reference))  # as in the keys of the metadata
        if key in seen:
            one, other = (without_query(text)[:100] for text in (seen[key], reference))
            raise BadReference(
                f"the references {one} and {other} would get the same name",
                remedy="rename one of the files",
            )
        seen[key] = reference


def check_reference(reference: str, scene: Scene, crosswalk: str | None = None, fallback: str | None = None) -> None:
    """Check the name, path or URL of a reference map without a request to a server.

    Arguments and errors are those of `find_reference`, but no annual map is searched.
    """
    if reference in ANNUAL:
        _crosswalk(reference, crosswalk, fallback)
    else:
        find_reference(reference, scene, StacCatalogClient(), crosswalk, fallback)


def _crosswalk(name: str, given: str | None, fallback: str | None) -> Crosswalk:
    path = given or shipped(name) or fallback
    if path is None:
        raise LandCoverError(
            f"there is no crosswalk for the reference {name[:80]!r}",
            remedy="write a CSV that relates its classes to those of the map, such as "
            "lc_assets/products/agreement/crosswalks/*.csv, and name it with --crosswalk or LC_ASSETS_CROSSWALK",
        )
    return read_crosswalk(Path(path))


def _annual(name: str, crosswalk: Crosswalk, scene: Scene, catalog: StacCatalogClient) -> Reference:
    kind = ANNUAL[name]
    try:
        found = [item for page in catalog.search(Query(geometry=scene.document["geometry"])) for item in page]
    except LandCoverError as error:
        raise BadReference(
            f"the search for the reference {name} failed: {error.problem}",
            item=scene.id,
            remedy=error.remedy,
            transient=error.transient,
        ) from None
    if not found:
        raise BadReference(
            f"{without_query(catalog.url)} has no item of {name} that intersects the scene",
            item=scene.id,
            remedy="choose another reference, or an API that has such an item (LC_ASSETS_STAC_URL)",
        )
    acquired = date.fromisoformat(scene.properties["datetime"][:10])
    middles = {item["id"]: _middle(item, name) for item in found}
    year = min(middles.values(), key=lambda middle: (abs(middle - acquired), middle)).year
    chosen = sorted((item for item in found if middles[item["id"]].year == year), key=lambda item: item["id"])
    versions = sorted({str(item["properties"].get(kind.version_property))[:40] for item in chosen})
    return Reference(
        name,
        f"{kind.title} {year}",
        tuple(_tile(item, kind.asset, catalog) for item in chosen),
        crosswalk,
        year,
        ", ".join(versions) if kind.version_property else None,
        kind.attribution,
        kind.accuracy,
    )


def _middle(item: dict[str, Any], name: str) -> date:
    """Return the middle day of an item's interval. That of the annual LULC ends on the first day of the next year."""
    properties = item["properties"] or {}
    begin = properties.get("start_datetime") or properties.get("datetime")
    end = properties.get("end_datetime") or begin
    try:
        first, last = (date.fromisoformat(str(moment)[:10]) for moment in (begin, end))
    except ValueError:
        raise BadItem(f"an item of {name} has no valid date", item=item["id"][:200], remedy=_CATALOG) from None
    return first + timedelta(days=(last - first).days // 2)


_CATALOG = "check the item in its catalog, or choose another reference"


def _tile(item: dict[str, Any], key: str, catalog: StacCatalogClient) -> Tile:
    """Return the raster of an item that a search found. Its href is checked like that of a band."""
    item_id = checked_id(item["id"])
    with naming(item_id):
        check_size(item)
    asset = item["assets"].get(key) if isinstance(item.get("assets"), dict) else None
    href = asset.get("href") if isinstance(asset, dict) else None
    if not isinstance(href, str) or not href:
        raise BadItem("it has no href", item=item_id, asset=key, remedy=_CATALOG)
    base = catalog.item_url(item_id)
    try:
        resolved = absolute(href, base)
        refused = why_not_a_raster(href, resolved, base)
    except LandCoverError as error:
        resolved, refused = href, error.problem
    if refused:
        raise _refused(href, refused, item_id, key)
    return Tile(without_query(resolved), item_id)


def _refused(href: str, why: str, item: str, asset: str) -> BadItem:
    return BadItem(f"its href {without_query(href[:200])!r} is refused: {why}", item=item, asset=asset, remedy=_CATALOG)


def _truth(scene: Scene) -> Tile:
    """Return the truth raster of the item: on the host of the bands, or on this machine if the bands are there.

    The hrefs of the bands were checked before.
    """
    asset = scene.document["assets"].get(TRUTH)
    if not isinstance(asset, dict):
        raise BadReference("it has no asset truth", item=scene.id, remedy="choose another reference")
    href, band = str(asset.get("href")), next(iter(scene.hrefs.values()))
    refused = why_not_a_raster(href, href, band if is_remote(band) else None)
    if is_remote(band) and not is_remote(href):
        refused = "the bands are remote, but it is a file of this machine"
    if refused:
        raise _refused(href, refused, scene.id, TRUTH)
    return Tile(href if is_remote(href) else Path(href), scene.id)


def _own_raster(reference: str) -> tuple[Tile, str]:
    """Return the raster at a path or URL of the user, and the stem of its file name."""
    if "://" in reference and is_remote(reference):
        if without_query(reference) != reference:
            raise BadReference(
                f"the reference {without_query(reference)} has a query or a user in its URL, which the run would store",
                remedy="remove them (Planetary Computer URLs are signed when they are read), or download the file",
            )
        refused = why_not_a_raster(reference, reference, None)
        if refused:
            raise BadReference(
                f"the reference {reference} is refused: {refused}", remedy="download it and name the file"
            )
        return Tile(reference), PurePosixPath(urlsplit(reference).path).stem
    refused = None if reference.partition("://")[0] in SCHEMES else why_not_a_raster(reference, reference, None)
    if refused:
        raise BadReference(f"the reference {reference[:200]!r} is refused: {refused}", remedy="name a GeoTIFF")
    try:
        path = parse_path(reference)
        exists = path.is_file()
    except (LandCoverError, OSError, ValueError, RuntimeError):  # unknown bucket or user, name too long or with NUL
        exists = False
    if not exists:
        known = ", ".join([*ANNUAL, TRUTH])
        raise BadReference(
            f"there is no reference {without_query(reference)[:200]!r}",
            remedy=f"name one of {known}, or the path or URL of a GeoTIFF of class codes",
        )
    return Tile(path), path.stem


def tile_rows(tiles: Iterable[Tile]) -> list[dict[str, str]]:
    """Return the tiles as rows for documents: item id (if there is one) and href."""
    return [{**({"item": tile.item} if tile.item else {}), "href": tile.shown} for tile in tiles]
