"""An item's hrefs: made absolute, and held against what a hostile item could write there.

Bands are checked hard, for they are read. Everything else an item links to is never opened; there, only names of files
of this machine are refused where the item comes from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from lc_assets.core.errors import BadItem, BadReference, LandCoverError, without_query
from lc_assets.core.urls import _REMOTE, is_remote
from lc_assets.remote.ssrf import check_url_allowed

_REMEDY = "fetch the item again from its catalog"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FOR_GDAL = re.compile(r"\s*(/+vsi|<|(?!file:)[A-Za-z][A-Za-z0-9_+.-]+:(?!//))", re.IGNORECASE)
"""What GDAL takes for more than a file: its virtual file systems, XML in place of a name, a driver's prefix
(`GTIFF_DIR:1:...`, `WMS:...`). One letter and a colon is a Windows drive."""
_DESCRIPTIONS = (".vrt", ".xml")
"""Files that are no pixels but tell GDAL where to look for some."""
_HEAD = 256


def unsigned(href: str) -> str:
    """`href` without query, fragment and user if it is a URL, and without a SAS signature in any case."""
    return without_query(href)


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


def resolve_hrefs(document: dict[str, Any], bands: dict[str, str], base: str | Path | None, item_id: str) -> None:
    """Make every asset's and link's href absolute, in place, and check those of the bands.

    Args:
        document: the item; its hrefs may still be signed.
        bands: band name -> asset key.
        base: where the item was read from.
        item_id: for messages.

    Raises:
        BadItem: an href is missing, cannot be used, or must not be.
    """
    links = document.get("links") or []
    if not isinstance(links, list):
        raise BadItem(f"its links are a {type(links).__name__}, not a list", item=item_id, remedy=_REMEDY)
    names = {key: band for band, key in bands.items()}
    entries = [*document["assets"].items(), *((f"link {n}", link) for n, link in enumerate(links, start=1))]
    for position, (name, entry) in enumerate(entries):
        href = entry.get("href") if isinstance(entry, dict) else None
        if not isinstance(href, str) or not href:
            raise BadItem("it has no href", item=item_id, asset=name, remedy=_REMEDY)
        band = names.get(name) if position < len(document["assets"]) else None
        try:
            entry["href"] = absolute(href, base)
            refused = why_not_a_raster(href, entry["href"], base) if band else None
        except (LandCoverError, ValueError, OSError, RuntimeError) as error:
            problem = error.problem if isinstance(error, LandCoverError) else str(error)
            raise BadItem(f"its href cannot be used: {problem}", item=item_id, asset=name, remedy=_REMEDY) from None
        if refused:
            raise BadItem(
                f"its href {unsigned(href[:200])!r} is refused: {refused}",
                item=item_id,
                asset=band,
                remedy="use an item whose bands are files or http(s) URLs of its own catalog",
            )


def absolute(href: str, base: str | Path | None) -> str:
    """`href` resolved against the place of the document that it stands in; a URL, or a path.

    Raises:
        BadReference: it is no usable one, or names a file of this machine in a document from elsewhere.
    """
    if _CONTROL.search(href):  # before anything is parsed: urlsplit drops line breaks and tabs in silence
        raise BadReference(f"{href[:200]!r} holds control characters", remedy="check its spelling")
    from_elsewhere = base is not None and is_remote(str(base))
    if from_elsewhere and re.match(r"\s*(file:|[A-Za-z]:[\\/]|/+vsi)", href, re.IGNORECASE):
        raise BadReference(
            f"{href[:200]!r} is a file of this machine, and the item comes from elsewhere", remedy="use another item"
        )
    if "://" in href and not href.lower().startswith("file:"):
        is_remote(href)  # is it a URL at all?
        return href
    if from_elsewhere:
        return urljoin(str(base), href)
    path = local_path(href)
    return str((Path(str(base)).resolve().parent / path).resolve() if base is not None else path)


def is_description(path: Path) -> bool:
    """True when a file is XML: a VRT, or another of the descriptions that GDAL would follow to other files and hosts.
    Read without GDAL; for a file that is not there, false."""
    try:
        if not path.is_file():  # a pipe would make us wait
            return False
        with path.open("rb") as file:
            return is_markup(file.read(_HEAD))
    except OSError:
        return False


def is_markup(head: bytes) -> bool:
    """True when a file that begins like this is XML, in whatever encoding."""
    return head.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe \t\r\n").startswith(b"<")


def why_not_a_raster(href: str, resolved: str, base: str | Path | None) -> str | None:
    """Why the href of a raster that is to be read is refused, or None.

    Args:
        href: as the item writes it.
        resolved: the same, absolute.
        base: where the item was read from; None for a local item, or where a person has named the raster himself.
    """
    if _FOR_GDAL.match(href) or _FOR_GDAL.match(resolved):
        return "it is an instruction to GDAL, not a file"
    scheme = urlsplit(resolved).scheme if "://" in resolved else ""
    if scheme == "s3":
        return (
            "s3:// is of a kind that is not read here: catalogs write it for buckets that want credentials and payment"
        )
    if scheme and scheme not in _REMOTE:
        return f"{scheme}:// is of a kind that is not read here"
    if urlsplit(resolved).path.rstrip("/ ").lower().endswith(_DESCRIPTIONS):
        return "it names a description of other files (VRT), not a raster"
    if scheme:
        origin = str(base) if base is not None and is_remote(str(base)) else None
        return check_url_allowed(resolved, origin)
    return "it is XML (a VRT?), which would name other files" if is_description(Path(resolved)) else None
