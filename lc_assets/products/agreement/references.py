"""Finds a reference map: an annual map of a STAC API, the truth asset of the scene's item, or a raster of the user.

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

from lc_assets.core.errors import BadItem, BadReference, LandCoverError, without_query
from lc_assets.core.urls import is_remote
from lc_assets.products.agreement.crosswalk import Crosswalk, read_crosswalk, shipped
from lc_assets.sentinel2.item.hrefs import absolute, unsigned, why_not_a_raster
from lc_assets.sentinel2.item.limits import check_size
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.ids import checked_id
from lc_assets.store.object_store import SCHEMES
from lc_assets.store.paths import StorePath, parse_path

TRUTH = "truth"
"""Name of the asset with the true classes in a scene's item. The demo scene has one."""
_TRUTH_CROSSWALK = "eurosat"


@dataclass(frozen=True)
class Annual:
    """An annual land-cover map of a STAC API.

    Attributes:
        asset: key of the raster asset in its items.
        title: title for people.
        attribution: attribution that its authors require.
        accuracy: accuracy that its authors publish.
        version_property: property of its items that holds the version; empty if there is none.
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
            accuracy="its authors found an overall accuracy of 74.4 % (2020, v100) and 76.7 % (2021, v200), over the "
            "whole Earth and its own eleven classes",
            version_property="esa_worldcover:product_version",
        ),
        "io-lulc-annual-v02": Annual(
            asset="data",
            title="10 m annual land use / land cover (9 classes, v2)",
            attribution="Impact Observatory, Microsoft and Esri, CC BY 4.0",
            accuracy="of the first map by this method, of 2020 with ten classes, its authors found 85 % right (Karra "
            "et al. 2021, doi:10.1109/IGARSS47720.2021.9553499); of this one, take no figure from here",
        ),
    }
)
"""Collection id -> annual map. The crosswalk has the same name as the collection."""


@dataclass(frozen=True)
class Tile:
    """One raster of a reference map.

    Attributes:
        place: path on this machine or in the store, or an unsigned URL.
        item: id of the STAC item that lists the raster; None if there is none.
    """

    place: StorePath | str
    item: str | None = None

    @property
    def shown(self) -> str:
        """Path or unsigned URL, for messages and documents."""
        return unsigned(str(self.place))


@dataclass(frozen=True)
class Reference:
    """A reference map for one scene.

    Attributes:
        name: name of its folder and of its figures: letters, digits, '.', '_', '-'.
        title: title for people.
        tiles: the rasters that intersect the scene's footprint.
        crosswalk: the crosswalk of its legend and the map's.
        year: year of an annual map; otherwise None.
        version: version of an annual map; None if its items give none.
        attribution, accuracy: see `Annual`.
    """

    name: str
    title: str
    tiles: tuple[Tile, ...]
    crosswalk: Crosswalk
    year: int | None = None
    version: str | None = None
    attribution: str = ""
    accuracy: str = "nothing is known here of its own errors"


def find_reference(
    named: str, scene: Scene, catalog: StacCatalogClient, crosswalk: str | None = None, otherwise: str | None = None
) -> Reference:
    """Return the reference map that a name, path or URL means for a scene.

    Args:
        named: name of an annual map (`ANNUAL`), `truth`, or the path or URL of a raster.
        scene: the scene. Its footprint selects the tiles of an annual map.
        catalog: the STAC API of the annual maps.
        crosswalk: path of the crosswalk; None means the one of the package for this name.
        otherwise: path of the crosswalk if the package has none for this name.

    Raises:
        LandCoverError: the reference is unknown, has no crosswalk or does not cover the scene, or the API does not
            answer (transient).
    """
    if named in ANNUAL:
        return _annual(named, _crosswalk(named, crosswalk, otherwise), scene, replace(catalog, collection=named))
    if named == TRUTH:
        return Reference(
            TRUTH,
            "truth raster of the scene's item",
            (_truth(scene),),
            _crosswalk(_TRUTH_CROSSWALK, crosswalk, otherwise),
            accuracy="what the item's maker knows or believes",
        )
    tile, stem = _named(named)
    name = name_of(named)
    if name in (TRUTH, *ANNUAL):
        raise BadReference(
            f"the reference {tile.shown} would be called {name}, which is another one",
            remedy="give the file another name",
        )
    return Reference(name, stem, (tile,), _crosswalk(stem, crosswalk, otherwise))


def name_of(named: str) -> str:
    """Return the name of a reference's folder and figures, from a name, path or URL: letters, digits, '.', '_', '-'.

    Raises:
        BadReference: the name cannot be used for a folder.
    """
    if named in (TRUTH, *ANNUAL):
        return named
    stem = PurePosixPath(urlsplit(named).path if is_remote(named) else named).stem
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")
    return checked_id(name[:80].strip("-._") or "reference")


def check_names(references: Sequence[str]) -> None:
    """Check that no two references have the same name: one would overwrite the figures of the other.

    Raises:
        BadReference: two references have the same name.
    """
    seen: dict[str, str] = {}
    for named in dict.fromkeys(references):
        key = re.sub(r"[._-]", "_", name_of(named))  # as in the keys of the metadata
        if key in seen:
            raise BadReference(
                f"the references {unsigned(seen[key])[:100]} and {unsigned(named)[:100]} would go by one name",
                remedy="rename one of the files",
            )
        seen[key] = named


def check_reference(named: str, scene: Scene, crosswalk: str | None = None, otherwise: str | None = None) -> None:
    """Check a name, path or URL of a reference map, without a request to a server.

    Arguments and errors are those of `find_reference`, but annual maps are not searched.
    """
    if named in ANNUAL:
        _crosswalk(named, crosswalk, otherwise)
    else:
        find_reference(named, scene, StacCatalogClient(), crosswalk, otherwise)


def _crosswalk(name: str, given: str | None, otherwise: str | None) -> Crosswalk:
    path = given or shipped(name) or otherwise
    if path is None:
        raise LandCoverError(
            f"there is no crosswalk for the reference {name[:80]!r}",
            remedy="say how its classes relate to the map's: a CSV like "
            "lc_assets/products/agreement/crosswalks/*.csv, given by --crosswalk or LC_ASSETS_CROSSWALK",
        )
    return read_crosswalk(Path(path))


def _annual(name: str, table: Crosswalk, scene: Scene, catalog: StacCatalogClient) -> Reference:
    kind = ANNUAL[name]
    try:
        found = [item for page in catalog.search(Query(geometry=scene.document["geometry"])) for item in page]
    except LandCoverError as error:
        raise BadReference(
            f"the reference {name} was searched in vain: {error.problem}",
            item=scene.id,
            remedy=error.remedy,
            transient=error.transient,
        ) from None
    if not found:
        raise BadReference(
            f"{without_query(catalog.url)} has no {name} under its footprint",
            item=scene.id,
            remedy="choose another reference, or an API that has it (LC_ASSETS_STAC_URL)",
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
        table,
        year,
        ", ".join(versions) if kind.version_property else None,
        kind.attribution,
        kind.accuracy,
    )


def _middle(item: dict[str, Any], name: str) -> date:
    """Middle day of an item's time interval. The interval of the annual LULC ends on the first day of the next year."""
    properties = item["properties"] or {}
    begin = properties.get("start_datetime") or properties.get("datetime")
    end = properties.get("end_datetime") or begin
    try:
        first, last = (date.fromisoformat(str(moment)[:10]) for moment in (begin, end))
    except ValueError:
        raise BadItem(f"an item of {name} does not say its year", item=item["id"][:200], remedy=_CATALOG) from None
    return first + timedelta(days=(last - first).days // 2)


_CATALOG = "look at the item in its catalog, or choose another reference"


def _tile(item: dict[str, Any], key: str, catalog: StacCatalogClient) -> Tile:
    """The raster of an item that a search found. Its href is checked like that of a band: the item is not trusted."""
    item_id = checked_id(item["id"])
    check_size(item, item_id)
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
        raise BadItem(
            f"its href {unsigned(href[:200])!r} is refused: {refused}", item=item_id, asset=key, remedy=_CATALOG
        )
    return Tile(unsigned(resolved), item_id)


def _truth(scene: Scene) -> Tile:
    """The truth raster of the item. It may be on the host of the bands, or on this machine if the bands are.

    The hrefs of the bands were checked before.
    """
    asset = scene.document["assets"].get(TRUTH)
    if not isinstance(asset, dict):
        raise BadReference("it has no asset truth", item=scene.id, remedy="name another reference")
    href, band = str(asset.get("href")), next(iter(scene.hrefs.values()))
    refused = why_not_a_raster(href, href, band if is_remote(band) else None)
    if is_remote(band) and not is_remote(href):
        refused = "the bands come from elsewhere, and it is a file of this machine"
    if refused:
        raise BadItem(
            f"its href {unsigned(href[:200])!r} is refused: {refused}", item=scene.id, asset=TRUTH, remedy=_CATALOG
        )
    return Tile(href if is_remote(href) else Path(href), scene.id)


def _named(named: str) -> tuple[Tile, str]:
    """The raster of a path or URL that the user gives, and the stem of its file name."""
    if "://" in named and is_remote(named):
        if unsigned(named) != named:
            raise BadReference(
                f"the reference {unsigned(named)} has a query or a user in its URL, which would be kept with the run",
                remedy="name it without (blobs of the Planetary Computer are signed when they are read), or fetch it",
            )
        refused = why_not_a_raster(named, named, None)
        if refused:
            raise BadReference(f"the reference {named} is refused: {refused}", remedy="fetch it and name the file")
        return Tile(named), PurePosixPath(urlsplit(named).path).stem
    refused = None if named.partition("://")[0] in SCHEMES else why_not_a_raster(named, named, None)
    if refused:
        raise BadReference(f"the reference {named[:200]!r} is refused: {refused}", remedy="name a GeoTIFF")
    try:
        place = parse_path(named)
        there = place.is_file()
    except (LandCoverError, OSError, ValueError, RuntimeError):  # unknown bucket or user, name too long or with NUL
        there = False
    if not there:
        known = ", ".join([*ANNUAL, TRUTH])
        raise BadReference(
            f"there is no reference {without_query(named)[:200]!r}",
            remedy=f"name one of {known}, or the path or URL of a GeoTIFF of class codes",
        )
    return Tile(place), place.stem


def shown(tiles: Iterable[Tile]) -> list[dict[str, str]]:
    """Return the tiles as rows for documents: item id, if there is one, and href."""
    return [{**({"item": tile.item} if tile.item else {}), "href": tile.shown} for tile in tiles]
