"""Make an item's hrefs absolute, and refuse those that a hostile item could use for an attack.

Hrefs of bands are checked strictly, because bands are read. Other assets and links are never opened; for them, an item
from another machine may only not name local files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from lc_assets.core.errors import BadItem, BadReference, LandCoverError, without_query
from lc_assets.core.urls import REMOTE_SCHEMES, is_remote
from lc_assets.remote.eodata import https_url, needs_login
from lc_assets.remote.ssrf import check_url_allowed

_REMEDY = "fetch the item again from its catalog"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FOR_GDAL = re.compile(r"\s*(/+vsi|<|(?!file:)[A-Za-z][A-Za-z0-9_+.-]+:(?!//))", re.IGNORECASE)
"""Names that GDAL does not treat as a plain file: its virtual file systems, XML in place of a name, the prefix of a
driver (`GTIFF_DIR:1:...`, `WMS:...`). One letter and a colon are a Windows drive and do not match."""
_DESCRIPTIONS = (".vrt", ".xml")
"""Suffixes of files without pixels that refer GDAL to other files."""
_HEAD = 256


def local_path(href: str) -> Path:
    """Return the path of a local href or a file:// URL.

    Raises:
        BadReference: it cannot be a path.
    """
    try:
        path = Path(url2pathname(urlsplit(href).path)) if href.lower().startswith("file:") else Path(href)
        path.exists()
    except (ValueError, OSError, RuntimeError) as error:  # NUL, lone surrogates, too long, loops of links
        raise BadReference(f"{href[:200]!r} is no path ({error})", remedy="check its spelling") from None
    return path


def resolve_hrefs(document: dict[str, Any], bands: dict[str, str], base: str | Path | None) -> None:
    """Make the hrefs of all assets and links absolute, in place, and check those of the bands.

    An asset that is no band, or a link, is left out where it has no href. Files in the bucket of the Copernicus Data
    Space (`s3://eodata`) get the URL of its endpoint.

    Args:
        document: the item; its hrefs may still be signed.
        bands: band name -> asset key.
        base: path or URL that the item was read from.

    Raises:
        BadItem: a band has no href, or an href cannot be used or is not allowed.
    """
    links = document.get("links") or []
    if not isinstance(links, list):
        raise BadItem(f"its links are a {type(links).__name__}, not a list", remedy=_REMEDY)
    names = {key: band for band, key in bands.items()}
    assets = document["assets"]
    for key in [key for key, asset in assets.items() if key not in names and not _has_href(asset)]:
        del assets[key]
    links = document["links"] = [link for link in links if _has_href(link)]
    entries = [*document["assets"].items(), *((f"link {n}", link) for n, link in enumerate(links, start=1))]
    for position, (name, entry) in enumerate(entries):
        if not _has_href(entry):
            raise BadItem("it has no href", asset=name, remedy=_REMEDY)
        href = entry["href"]
        band = names.get(name) if position < len(document["assets"]) else None
        try:
            if band:
                href = _without_login(entry)
            entry["href"] = https_url(absolute(href, base))
            refused = why_not_a_raster(href, entry["href"], base) if band else None
        except (LandCoverError, ValueError, OSError, RuntimeError) as error:
            problem = error.problem if isinstance(error, LandCoverError) else str(error)
            raise BadItem(f"its href cannot be used: {problem}", asset=name, remedy=_REMEDY) from None
        if refused:
            raise BadItem(
                f"its href {without_query(href[:200])!r} is refused: {refused}",
                asset=band,
                remedy="use an item whose bands are files or http(s) URLs of its own catalog",
            )


def _has_href(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("href"), str) and bool(entry["href"])


def _without_login(asset: dict[str, Any]) -> str:
    """Return the href of an asset, or its alternate in an object store where the href needs a login."""
    href, alternates = asset["href"], asset.get("alternate")
    other = alternates.get("s3") if isinstance(alternates, dict) else None
    found = other.get("href") if isinstance(other, dict) else None
    return found if isinstance(found, str) and found and needs_login(href) else href


def absolute(href: str, base: str | Path | None) -> str:
    """Return `href` as a URL or a path, resolved against the location `base` of its document.

    Raises:
        BadReference: it cannot be used, or it names a local file although the document comes from another machine.
    """
    if _CONTROL.search(href):  # before parsing: urlsplit silently removes line breaks and tabs
        raise BadReference(f"{href[:200]!r} holds control characters", remedy="check its spelling")
    from_elsewhere = base is not None and is_remote(str(base))
    if from_elsewhere and re.match(r"\s*(file:|[A-Za-z]:[\\/]|/+vsi)", href, re.IGNORECASE):
        raise BadReference(
            f"{href[:200]!r} is a file of this machine, and the item comes from elsewhere", remedy="use another item"
        )
    if "://" in href and not href.lower().startswith("file:"):
        is_remote(href)  # raises if it is not a valid URL
        return href
    if from_elsewhere:
        return urljoin(str(base), href)
    path = local_path(href)
    return str((Path(str(base)).resolve().parent / path).resolve() if base is not None else path)


def is_markup(head: bytes) -> bool:
    """True when the first bytes of a file show that it is XML, in any encoding."""
    return head.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe \t\r\n").startswith(b"<")


def why_not_a_raster(href: str, resolved: str, base: str | Path | None) -> str | None:
    """Return the reason why the href of a raster is refused, or None where it is allowed.

    Args:
        href: the href as the item gives it.
        resolved: the same href, absolute.
        base: path or URL that the item was read from; None for a local item, or where the user has named the raster.
    """
    if _FOR_GDAL.match(href) or _FOR_GDAL.match(resolved):
        return "it is an instruction to GDAL, not a file"
    scheme = urlsplit(resolved).scheme if "://" in resolved else ""
    if scheme == "s3":
        return (
            "s3:// is of a kind that is not read here: catalogs write it for buckets that want credentials and payment"
        )
    if scheme and scheme not in REMOTE_SCHEMES:
        return f"{scheme}:// is of a kind that is not read here"
    if urlsplit(resolved).path.rstrip("/ ").lower().endswith(_DESCRIPTIONS):
        return "it names a description of other files (VRT), not a raster"
    if scheme:
        origin = str(base) if base is not None and is_remote(str(base)) else None
        return check_url_allowed(resolved, origin)
    return _why_not_pixels(Path(resolved))


def _why_not_pixels(path: Path) -> str | None:
    """Return the reason why a local file is no raster, None where it may be one. A missing file may be there later.

    The file is read without GDAL, which opens the files and hosts that an XML file (a VRT) names. A pipe would block
    its reader, and a device may never end.
    """
    try:
        if not path.is_file():
            return "it is a folder, a device or a pipe" if path.exists() else None
        with path.open("rb") as file:
            return "it is XML (a VRT?), which would name other files" if is_markup(file.read(_HEAD)) else None
    except OSError:
        return None
