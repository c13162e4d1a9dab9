"""A table of the catalogs whose conventions are known. To support another catalog, add an entry to `CATALOGS`; no code
is needed.

Catalogs differ in how they name a scene's bands and its tile. How pixels are read is decided for each item
(`lc_assets.sentinel2.radiometry`), because it differs within a catalog too.

The asset keys of Earth Search, its `grid:code` and its `s2:nodata_pixel_percentage` are those of stactools-sentinel2
(for examples see stactools-packages/sentinel2, `examples/sentinel2-l2a-example`). Besides each COG, an item of
`sentinel-2-l2a` lists the JPEG 2000 file that the COG was made from, as `blue-jp2` and so on, in a requester-pays
bucket. Asset keys must match exactly, so these files are never used.

The conventions of the Copernicus Data Space are those of the program that writes its catalog (eu-cdse/eometadatatool,
`stac/sentinel-2-l2a` and `stac/sentinel-2-l1c`). It lists a band of Level-2A in each resolution (`B02_10m`, `B02_20m`,
`B02_60m`); only the native one is used. It writes the offset -0.1 into every item, of old baselines too. Its bands of
Level-1C have the plain names `B01` to `B12`. How files are read: `lc_assets.remote.eodata`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from lc_assets.remote import eodata
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS, SCL, SCL_GSD
from lc_assets.sentinel2.product import Product


@dataclass(frozen=True)
class CatalogConventions:
    """The conventions of one catalog.

    Attributes:
        name: short name, for settings and reports.
        title: full name, for users.
        hosts: host names of its API, including their subdomains.
        assets: asset key -> band name, `SCL` included.
        tile_property, tile_format: the property with a scene's tile, and how the tile is written there: `{tile}` is the
            tile with two digits (`07HFE`), `{bare}` the tile without the leading zero (`7HFE`).
        cloud_property, nodata_property: properties with the percentages of cloud and of nodata. `a/b` is the value `b`
            in the object `a`, by which servers cannot search.
        product_ids: `short` or `full` where an item's id is the name of its ESA product, without or with the baseline;
            empty where it is another one.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    assets: Mapping[str, str]
    tile_property: str
    tile_format: str
    cloud_property: str = "eo:cloud_cover"
    nodata_property: str = "s2:nodata_pixel_percentage"
    product_ids: str = "short"

    def tile_value(self, tile: str) -> str:
        """Return the value of `tile_property` for a tile such as `33UUB`, `07HFE` or `T33UUB`."""
        bare = tile.upper().removeprefix("T").lstrip("0")
        return self.tile_format.format(tile=bare.zfill(5), bare=bare)

    def cloud(self, properties: Mapping[str, Any]) -> Any:
        """Return the percentage of cloud as the item gives it, unchecked; None if it is missing."""
        return _value(properties, self.cloud_property)

    def nodata(self, properties: Mapping[str, Any]) -> Any:
        """Return the percentage of nodata as the item gives it, unchecked; None if it is missing."""
        return _value(properties, self.nodata_property)

    def id_of_product(self, product: Product) -> str | None:
        """Return the id of a product's item; empty if the name lacks the baseline, None if it cannot be told from the
        name."""
        if not self.product_ids:
            return None
        if self.product_ids == "short":
            return product.short_name
        return product.full_name if product.baseline else ""

    def keys(self, assets: Mapping[str, Any]) -> dict[str, str]:
        """Return band name -> asset key for the bands that an item lists. The first key of a band has precedence."""
        found: dict[str, str] = {}
        for key in assets:
            band = self.assets.get(key)
            if band and band not in found:
                found[band] = key
        return found


def _value(properties: Mapping[str, Any], name: str) -> Any:
    found: Any = properties
    for part in name.split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


PLANETARY_COMPUTER = CatalogConventions(
    name="planetary-computer",
    title="Microsoft Planetary Computer",
    hosts=("planetarycomputer.microsoft.com",),
    assets=MappingProxyType({band: band for band in (*BAND_NAMES, SCL)}),
    tile_property="s2:mgrs_tile",
    tile_format="{tile}",
)

EARTH_SEARCH = CatalogConventions(
    name="earth-search",
    title="Element 84 Earth Search",
    hosts=("earth-search.aws.element84.com",),
    assets=MappingProxyType(
        {
            "coastal": "B01",
            "blue": "B02",
            "green": "B03",
            "red": "B04",
            "rededge1": "B05",
            "rededge2": "B06",
            "rededge3": "B07",
            "nir": "B08",
            "nir08": "B8A",
            "nir09": "B09",
            "swir16": "B11",
            "swir22": "B12",
            "scl": SCL,
        }
    ),
    tile_property="grid:code",
    # The zone has no leading zero: stactools' example of tile 07HFE has MGRS-7HFE.
    tile_format="MGRS-{bare}",
    product_ids="",
)

COPERNICUS = CatalogConventions(
    name="copernicus",
    title="Copernicus Data Space",
    hosts=("stac.dataspace.copernicus.eu", "catalogue.dataspace.copernicus.eu"),
    assets=MappingProxyType({**{f"{b.name}_{b.gsd}m": b.name for b in BANDS}, f"{SCL}_{SCL_GSD}m": SCL}),
    tile_property="grid:code",
    tile_format="MGRS-{tile}",
    nodata_property="statistics/nodata",
    product_ids="full",
)

CATALOGS: tuple[CatalogConventions, ...] = (PLANETARY_COMPUTER, EARTH_SEARCH, COPERNICUS)
"""All known catalogs. The first one is used for unknown catalogs."""

# Archives of files, by a part of a band's href: items of several catalogs, and of retired ones, link to one archive.
_UNRELIABLE_OFFSET = "/sentinel-s2-l2a-cogs/"
_CONSTANT_OFFSET = f"//{eodata.HOST}/"


def catalog_for_api(url: str) -> CatalogConventions:
    """Return the conventions of the catalog at an API's address. An unknown host gets those of the Planetary
    Computer."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        host = ""
    for provider in CATALOGS:
        if any(host == known or host.endswith(f".{known}") for known in provider.hosts):
            return provider
    return CATALOGS[0]


def catalog_of(document: Mapping[str, Any]) -> CatalogConventions:
    """Return the conventions that an item follows: those under which its asset keys give most of the twelve bands. Of
    equal ones, the first is returned."""
    assets = document.get("assets")
    keys = assets if isinstance(assets, Mapping) else {}
    return max(CATALOGS, key=lambda provider: len(provider.keys(keys).keys() & set(BAND_NAMES)))


def has_constant_offset(href: str) -> bool:
    """Return True for a file in an archive whose items declare the same offset for all products, so that the
    declaration says nothing."""
    return _CONSTANT_OFFSET in href


def has_unreliable_offset(href: str) -> bool:
    """Return True for a file in an archive where the offset may have been removed although the item says that it was
    not (see `lc_assets.sentinel2.radiometry`)."""
    return _UNRELIABLE_OFFSET in href
