"""The catalogues whose conventions are known, as a table: another one is another entry of `CATALOGS`, and no code.

What differs between catalogues is how they name a scene's bands and its tile. How pixels are to be read is decided
item by item (`lc_assets.sentinel2.radiometry`), for that differs within a catalogue too.

Earth Search: its asset keys, `grid:code` and `s2:nodata_pixel_percentage` are those of stactools-sentinel2, whose
examples (stactools-packages/sentinel2, `examples/sentinel2-l2a-example`) are such items. Beside each COG an item of
`sentinel-2-l2a` lists the JPEG 2000 file that it was made from, as `blue-jp2` and so on, in a requester-pays bucket:
keys are matched whole, so these are never taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from lc_assets.sentinel2.band_table import BAND_NAMES, SCL


@dataclass(frozen=True)
class Provider:
    """One catalogue's conventions.

    Attributes:
        name: for settings and reports.
        title: for people.
        hosts: host names of its API; a name below one of them counts too.
        assets: asset key -> band name, `SCL` included.
        tile_property, tile_format: the property that holds a scene's tile, and how a tile is written in it: `{tile}`
            is the tile with two digits (`07HFE`), `{bare}` without the leading zero (`7HFE`).
        cloud_property, nodata_property: percentages.
        unreliable_offset_archives: parts of a band's href. What is stored there may have had its offset removed
            although the item says that it has not (see `lc_assets.sentinel2.radiometry`).
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    assets: Mapping[str, str]
    tile_property: str
    tile_format: str
    cloud_property: str = "eo:cloud_cover"
    nodata_property: str = "s2:nodata_pixel_percentage"
    unreliable_offset_archives: tuple[str, ...] = ()

    def tile_value(self, tile: str) -> str:
        """What `tile_property` holds for a tile such as `33UUB`, `07HFE` or `T33UUB`."""
        bare = tile.upper().removeprefix("T").lstrip("0")
        return self.tile_format.format(tile=bare.zfill(5), bare=bare)

    def keys(self, assets: Mapping[str, Any]) -> dict[str, str]:
        """Band name -> key of the asset that holds it, of the bands that are listed; the first key of a band wins."""
        found: dict[str, str] = {}
        for key in assets:
            band = self.assets.get(key)
            if band and band not in found:
                found[band] = key
        return found


PLANETARY_COMPUTER = Provider(
    name="planetary-computer",
    title="Microsoft Planetary Computer",
    hosts=("planetarycomputer.microsoft.com",),
    assets=MappingProxyType({band: band for band in (*BAND_NAMES, SCL)}),
    tile_property="s2:mgrs_tile",
    tile_format="{tile}",
)

EARTH_SEARCH = Provider(
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
    # The zone is a number there: stactools' example of tile 07HFE says MGRS-7HFE.
    tile_format="MGRS-{bare}",
    unreliable_offset_archives=("/sentinel-s2-l2a-cogs/",),
)

CATALOGS: tuple[Provider, ...] = (PLANETARY_COMPUTER, EARTH_SEARCH)
"""All that are known; the first stands for those that are not."""


def catalog_for_api(url: str, catalogs: tuple[Provider, ...] = CATALOGS) -> Provider:
    """The conventions of the catalogue behind an API's address; an unknown host is taken to follow the Planetary
    Computer's."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        host = ""
    for kind in catalogs:
        if any(host == known or host.endswith(f".{known}") for known in kind.hosts):
            return kind
    return catalogs[0]


def catalog_of(document: Mapping[str, Any], catalogs: tuple[Provider, ...] = CATALOGS) -> Provider:
    """The conventions that an item follows, by the asset keys that it lists: the kind that finds most of the twelve
    bands, of equals the earlier."""
    assets = document.get("assets")
    keys = assets if isinstance(assets, Mapping) else {}
    return max(catalogs, key=lambda kind: len(kind.keys(keys).keys() & set(BAND_NAMES)))
