"""A STAC item as a Sentinel-2 scene: what is checked before anything is read, and where its bands are.

Another catalog's asset names go into `ASSET_ALIASES`, and nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from lc_assets.errors import BadItem, BadReference, LandCoverError, without_query
from lc_assets.sentinel2.bands import BAND_NAMES, SCL
from lc_assets.sentinel2.footprint import check_place_and_time
from lc_assets.sentinel2.radiometry import offset_dn, parse_baseline

ASSET_ALIASES: dict[str, str] = {
    # Earth Search (v1) names its assets by colour.
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
    "scl": "SCL",
}

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_REMOTE = ("http", "https")


def checked_id(item_id: Any) -> str:
    """`item_id` if it can safely name a partition and a folder.

    Raises:
        BadReference: it has characters outside `A-Z a-z 0-9 . _ -`, holds `..`, does not begin with a letter or digit,
        or is longer
            than 200 characters.
    """
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id) or ".." in item_id:
        raise BadReference(
            f"{str(item_id)[:80]!r} is no usable item id",
            remedy="use an id of letters, digits, '.', '_' and '-' that begins with a letter or digit and is "
            "200 characters at most",
        )
    return item_id


def unsigned(href: str) -> str:
    """`href` without query, fragment and user if it is a URL, and without a SAS signature in any case."""
    return without_query(href)


def is_remote(href: str) -> bool:
    """True for http(s) URLs.

    Raises:
        BadReference: it begins like a URL, but is none.
    """
    try:
        return urlsplit(href).scheme in _REMOTE
    except ValueError:
        raise BadReference(f"{href[:200]!r} is no URL", remedy="check its spelling") from None


def local_path(href: str) -> Path:
    """The path that a local href or a file:// URL names.

    Raises:
        BadReference: it cannot be a path.
    """
    try:
        path = Path(url2pathname(urlsplit(href).path)) if href.lower().startswith("file:") else Path(href)
        path.exists()
    except (ValueError, OSError, RuntimeError) as error:  # NUL, lone surrogates, too long, loops of links
        raise BadReference(f"{href[:200]!r} is no path ({error})", remedy="check its spelling") from None
    return path


@dataclass(frozen=True)
class Scene:
    """A Sentinel-2 item that has all it needs.

    Attributes:
        id: STAC item id; also the partition key and the folder name.
        document: the item, hrefs absolute and unsigned; JSON-compatible, not to be changed.
        hrefs: band name (and `SCL`, if there) -> unsigned URL or absolute path.
        product_level: `L1C` or `L2A`.
        baseline: processing baseline, `NN.NN`.
        offset: what to add to a valid DN before scaling, -1000 or 0.
    """

    id: str
    document: dict[str, Any]
    hrefs: dict[str, str]
    product_level: str
    baseline: str
    offset: int

    @property
    def properties(self) -> dict[str, Any]:
        """The item's properties."""
        return self.document["properties"]

    @property
    def has_scl(self) -> bool:
        """True when the item lists a scene classification."""
        return SCL in self.hrefs


def parse_scene(document: Any, *, base: str | Path | None = None) -> Scene:
    """Check a STAC item and make its hrefs absolute and unsigned.

    Args:
        document: parsed JSON.
        base: where the item was read from (path or URL); relative hrefs are resolved against it.

    Raises:
        BadReference: the id is unusable.
        BadItem: no STAC item, no Sentinel-2 L1C or L2A item, no datetime or geometry, no baseline, or a band is
        missing.
    """
    if not isinstance(document, dict) or document.get("type") != "Feature" or "stac_version" not in document:
        what = document.get("type", "object without a type") if isinstance(document, dict) else type(document).__name__
        raise BadItem(
            f"this is no STAC item but a {what}",
            asset=str(base) if base else None,
            remedy="give the item's own JSON (type Feature, with stac_version)",
        )
    item_id = checked_id(document.get("id"))
    for key, kind in (("properties", dict), ("assets", dict), ("geometry", dict), ("bbox", list)):
        if not isinstance(document.get(key), kind):
            raise BadItem(f"the STAC item has no {key}", item=item_id, remedy="fetch the item again from its catalog")
    properties = document["properties"]
    if not isinstance(properties.get("datetime"), str):
        raise BadItem(
            "the STAC item has no datetime", item=item_id, remedy="give it the acquisition time in properties.datetime"
        )
    check_place_and_time(document, item_id)
    level = _product_level(document, item_id)
    document = _scrubbed(document)
    _resolve_hrefs(document, base, item_id)
    hrefs = _band_hrefs(document["assets"], item_id)
    baseline = parse_baseline(properties, item_id)
    return Scene(item_id, document, hrefs, level, baseline, offset_dn(baseline, properties))


def read_document(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        BadReference: there is no such file, or it cannot be read.
        BadItem: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_constant)
    except FileNotFoundError:
        raise BadReference(f"there is no file {path}", remedy="check the path") from None
    except OSError as error:
        raise BadReference(f"{path} cannot be read ({error.strerror})", remedy="check the path") from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # bad JSON, bad UTF-8, numbers of thousands of digits, NUL in the path
        raise BadItem(f"{path} is no JSON ({error})", remedy="name a STAC item, or fetch it again") from None


def _product_level(document: dict[str, Any], item_id: str) -> str:
    properties = document["properties"]
    platform = f"{properties.get('constellation', '')} {properties.get('platform', '')}".lower().replace(" ", "-")
    if "sentinel-2" not in platform:
        raise BadItem(
            f"it is no Sentinel-2 item (constellation {properties.get('constellation')!r}, "
            f"platform {properties.get('platform')!r})",
            item=item_id,
            remedy="give an item of a Sentinel-2 L1C or L2A collection, e.g. sentinel-2-l2a",
        )
    for text in (properties.get("s2:product_type"), document.get("collection"), item_id):
        match = re.search(r"(?i)MSI(1C|2A)|L(1C|2A)", str(text or ""))
        if match:
            return f"L{(match[1] or match[2]).upper()}"
    raise BadItem(
        "neither its product type, nor its collection, nor its id says whether it is L1C or L2A",
        item=item_id,
        remedy='add the property "s2:product_type": "S2MSI2A" (or "S2MSI1C") to the item',
    )


def _resolve_hrefs(document: dict[str, Any], base: str | Path | None, item_id: str) -> None:
    """Make every asset's and link's href absolute, in place."""
    remedy = "fetch the item again from its catalog"
    links = document.get("links") or []
    if not isinstance(links, list):
        raise BadItem(f"its links are a {type(links).__name__}, not a list", item=item_id, remedy=remedy)
    entries = [*document["assets"].items(), *((f"link {n}", link) for n, link in enumerate(links, start=1))]
    for name, entry in entries:
        href = entry.get("href") if isinstance(entry, dict) else None
        if not isinstance(href, str) or not href:
            raise BadItem("it has no href", item=item_id, asset=name, remedy=remedy)
        try:
            entry["href"] = _absolute(href, base)
        except (LandCoverError, ValueError, OSError, RuntimeError) as error:
            problem = error.problem if isinstance(error, LandCoverError) else str(error)
            raise BadItem(f"its href cannot be used: {problem}", item=item_id, asset=name, remedy=remedy) from None


def _absolute(href: str, base: str | Path | None) -> str:
    if "://" in href and not href.lower().startswith("file:"):
        is_remote(href)  # is it a URL at all?
        return href
    if base is not None and is_remote(str(base)):
        return unsigned(urljoin(str(base), href))
    path = local_path(href)
    return str((Path(base).resolve().parent / path).resolve() if base is not None else path)


def _scrubbed(value: Any) -> Any:
    """A copy of a document with every text in it free of tokens."""
    if isinstance(value, dict):
        return {key: _scrubbed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_scrubbed(entry) for entry in value]
    return without_query(value) if isinstance(value, str) else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _band_hrefs(assets: dict[str, Any], item_id: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, asset in assets.items():
        band = key if key in (*BAND_NAMES, SCL) else ASSET_ALIASES.get(key)
        if band and band not in found:
            found[band] = asset["href"]
    missing = [band for band in BAND_NAMES if band not in found]
    if missing:
        raise BadItem(
            f"the item lists no asset for band {', '.join(missing)}",
            item=item_id,
            asset=missing[0],
            remedy=f"give an item with all 12 bands; this one has {', '.join(sorted(assets)) or 'no assets'}",
        )
    for band, href in found.items():
        if "://" in href and not is_remote(href):
            raise BadItem(
                f"{href} is of a kind that is not read here",
                item=item_id,
                asset=band,
                remedy="use an item whose bands are files or http(s) URLs",
            )
        twin = next(other for other in found if found[other] == href)
        if twin != band:
            raise BadItem(
                f"it is the same file as {twin}'s: {href}", item=item_id, asset=band, remedy="mend the item's hrefs"
            )
    return found
