"""Where a reference comes from: an annual map of a STAC API, the scene item's own truth, a raster that somebody names.

Another annual map is another entry of `ANNUAL` and a crosswalk of the same name.
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
"""The asset of a scene's item that says what is there; the demo scene has one."""
_TRUTH_CROSSWALK = "eurosat"


@dataclass(frozen=True)
class Annual:
    """A land-cover map that a STAC API has by the year.

    Attributes:
        asset: key of the raster in its items.
        title: for people.
        attribution: as its authors want it.
        accuracy: what its authors say of its errors.
        version_property: of its items, where they tell a version.
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
"""By collection id, which is also the crosswalk's name."""


@dataclass(frozen=True)
class Tile:
    """One raster of a reference: a place of this machine or the store, or an unsigned URL; and the item that lists it.

    `shown` is what may be written down of it.
    """

    place: StorePath | str
    item: str | None = None

    @property
    def shown(self) -> str:
        """Path or unsigned URL."""
        return unsigned(str(self.place))


@dataclass(frozen=True)
class Reference:
    """A reference for one scene.

    Attributes:
        name: of its folder and its figures: letters, digits, '.', '_', '-'.
        title: for people.
        tiles: all that meet the scene's footprint.
        crosswalk: how its legend relates to the map's.
        year: of an annual map.
        version: of it, where its items tell.
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
    """The reference that a name, path or URL means for a scene.

    Args:
        named: an annual map (`ANNUAL`), `truth`, or the path or URL of a raster.
        scene: whose footprint it is to cover.
        catalog: the STAC API that has annual maps.
        crosswalk: path of the one to take; None takes the one that comes with the package for that name.
        otherwise: path of the one to take where none comes with the package.

    Raises:
        LandCoverError: it is unknown, has no crosswalk, does not cover the scene, or the API does not answer
            (transient).
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
    """What the figures of a reference go by: letters, digits, '.', '_', '-'."""
    if named in (TRUTH, *ANNUAL):
        return named
    stem = PurePosixPath(urlsplit(named).path if is_remote(named) else named).stem
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")
    return checked_id(name[:80].strip("-._") or "reference")


def check_names(references: Sequence[str]) -> None:
    """Refuse references whose figures would overwrite each other's.

    Raises:
        BadReference: two go by one name.
    """
    seen: dict[str, str] = {}
    for named in dict.fromkeys(references):
        key = re.sub(r"[._-]", "_", name_of(named))  # as metadata keys are written
        if key in seen:
            raise BadReference(
                f"the references {unsigned(seen[key])[:100]} and {unsigned(named)[:100]} would go by one name",
                remedy="rename one of the files",
            )
        seen[key] = named


def check_reference(named: str, scene: Scene, crosswalk: str | None = None, otherwise: str | None = None) -> None:
    """Find out, without asking anybody, whether a name, path or URL can mean a reference for a scene.

    Args, Raises: as `find_reference`; annual maps are not searched.
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
    """The middle of the time that an item stands for. (The annual LULC's year ends on the first of the next.)"""
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
    """The raster of an item that a search has given: as a band is judged, for strangers have written it."""
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
    """The item's own truth. It may lie where the bands lie, on their host or on this machine: they have been judged."""
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
    """The raster that a person names, and its stem."""
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
    except (LandCoverError, OSError, ValueError, RuntimeError):  # no such bucket; too long, NUL, no such user
        there = False
    if not there:
        known = ", ".join([*ANNUAL, TRUTH])
        raise BadReference(
            f"there is no reference {without_query(named)[:200]!r}",
            remedy=f"name one of {known}, or the path or URL of a GeoTIFF of class codes",
        )
    return Tile(place), place.stem


def shown(tiles: Iterable[Tile]) -> list[dict[str, str]]:
    """Tiles as reports list them."""
    return [{**({"item": tile.item} if tile.item else {}), "href": tile.shown} for tile in tiles]
