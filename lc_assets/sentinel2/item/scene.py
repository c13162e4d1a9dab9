"""Turn a STAC item into a Sentinel-2 scene: check it before any band is read, and find its bands.

The names of bands per catalog are in `lc_assets.sentinel2.item.catalog_conventions`, the rules for hrefs in
`lc_assets.sentinel2.item.hrefs`, the limits on an item's size in `lc_assets.sentinel2.item.limits`.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lc_assets.core.errors import BadItem, BadReference, naming, printable, without_query
from lc_assets.core.json_values import parse_json
from lc_assets.sentinel2.band_table import BAND_NAMES, REFERENCE_BAND
from lc_assets.sentinel2.item.baseline import baseline_of
from lc_assets.sentinel2.item.catalog_conventions import (
    CatalogConventions,
    catalog_of,
    has_constant_offset,
    has_unreliable_offset,
)
from lc_assets.sentinel2.item.declared import DeclaredAsset, declared_asset
from lc_assets.sentinel2.item.footprint import settle_place_and_time
from lc_assets.sentinel2.item.hrefs import resolve_hrefs
from lc_assets.sentinel2.item.limits import check_size
from lc_assets.sentinel2.radiometry import declared_offset, offset_dn
from lc_assets.store.ids import checked_id
from lc_assets.store.paths import StorePath
from lc_assets.store.product_layout import CATALOG_FILE

_LISTED = 40
"""Largest number of asset keys in a message."""


@dataclass(frozen=True)
class Scene:
    """A checked Sentinel-2 item.

    Attributes:
        id: STAC item id; also the partition key and the folder name.
        document: the item with absolute, unsigned hrefs; JSON-compatible, must not be changed.
        hrefs: band name (and `SCL`, if listed) -> unsigned URL or absolute path.
        product_level: `L1C` or `L2A`.
        baseline: processing baseline, `NN.NN`; `unknown` where the item names no reliable one but declares its offset.
        offset: number to add to a valid DN before scaling, -1000 or 0.
        declared: band name (and `SCL`, if listed) -> what the item declares about its file.
        notes: what is missing or malformed beside the bands, and what is taken instead.
    """

    id: str
    document: dict[str, Any]
    hrefs: dict[str, str]
    product_level: str
    baseline: str
    offset: int
    declared: dict[str, DeclaredAsset] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def properties(self) -> dict[str, Any]:
        """The item's properties."""
        return self.document["properties"]


def parse_scene(document: Any, *, base: str | Path | None = None) -> Scene:
    """Check a STAC item and return it as a scene, with absolute and unsigned hrefs.

    Args:
        document: parsed JSON.
        base: path or URL that the item was read from; relative hrefs are resolved against it.

    Raises:
        BadReference: the id cannot be used.
        BadItem: it is not a STAC item of Sentinel-2 L1C or L2A, has no datetime or place, lacks a band or has one
            that must not be read, is too large, contradicts itself, or does not show whether its DN carry the offset.
    """
    if not isinstance(document, dict) or document.get("type") != "Feature" or "stac_version" not in document:
        what = document.get("type", "object without a type") if isinstance(document, dict) else type(document).__name__
        raise BadItem(
            f"this is no STAC item but a {what}",
            asset=str(base) if base else None,
            remedy="give the item's own JSON (type Feature, with stac_version)",
        )
    item_id = checked_id(document.get("id"))
    with naming(item_id):
        check_size(document)
        return _checked(deepcopy(document), base)


def _checked(document: dict[str, Any], base: str | Path | None) -> Scene:
    """Return the scene of an item of a permitted size; see `parse_scene`. The document is changed."""
    for key in ("properties", "assets"):
        if not isinstance(document.get(key), dict):
            raise BadItem(f"the STAC item has no {key}", remedy="fetch the item again from its catalog")
    notes = settle_place_and_time(document)
    level = _product_level(document)
    provider = catalog_of(document)
    keys = _band_keys(provider, document["assets"])
    resolve_hrefs(document, keys, base)
    document = _scrubbed(document)
    assets, properties = document["assets"], document["properties"]
    hrefs = {band: assets[key]["href"] for band, key in keys.items()}
    _check_distinct(hrefs)
    baseline = baseline_of(document)
    # Bands in an archive whose items all declare the same offset declare nothing of their own.
    declaring = {} if has_constant_offset(hrefs[REFERENCE_BAND]) else {b: assets[keys[b]] for b in BAND_NAMES}
    offset = offset_dn(
        baseline,
        properties,
        declared_offset(declaring),
        doubtful=any(has_unreliable_offset(hrefs[band]) for band in BAND_NAMES),
    )
    declared = {band: declared_asset(assets[key], properties, band) for band, key in keys.items()}
    notes += [note for one in declared.values() for note in one.notes]
    return Scene(document["id"], document, hrefs, level, baseline.text, offset, declared, tuple(map(_safe, notes)))


def _safe(note: str) -> str:
    return printable(without_query(note))


def read_document(path: StorePath) -> Any:
    """Parse a JSON file.

    Raises:
        BadReference: the file is missing or cannot be read.
        BadItem: the file is not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if isinstance(path, Path) and path.name == CATALOG_FILE and path.parent.is_dir():
            raise BadReference(
                f"the folder {path.parent} has no {CATALOG_FILE}",
                remedy="name the JSON of an item, or a folder with a STAC catalog of items",
            ) from None
        raise BadReference(f"there is no file {path}", remedy="check the path") from None
    except OSError as error:
        raise BadReference(f"{path} cannot be read ({error.strerror})", remedy="check the path") from None
    except (ValueError, RecursionError) as error:  # bad JSON or UTF-8, a number of thousands of digits, NUL in the path
        raise BadItem(f"{path} is no JSON ({error})", remedy="name a STAC item, or fetch it again") from None


def _product_level(document: dict[str, Any]) -> str:
    properties = document["properties"]
    platform = f"{properties.get('constellation', '')} {properties.get('platform', '')}".lower().replace(" ", "-")
    if "sentinel-2" not in platform:
        raise BadItem(
            f"it is no Sentinel-2 item (constellation {str(properties.get('constellation'))[:40]!r}, "
            f"platform {str(properties.get('platform'))[:40]!r})",
            remedy="give an item of a Sentinel-2 L1C or L2A collection, e.g. sentinel-2-l2a",
        )
    for text in (properties.get("s2:product_type"), document.get("collection"), document["id"]):
        match = re.search(r"(?i)MSI(1C|2A)|L(1C|2A)", str(text or ""))
        if match:
            return f"L{(match[1] or match[2]).upper()}"
    raise BadItem(
        "neither its product type, nor its collection, nor its id says whether it is L1C or L2A",
        remedy='add the property "s2:product_type": "S2MSI2A" (or "S2MSI1C") to the item',
    )


def _scrubbed(value: Any) -> Any:
    """Return a copy of a document with the tokens removed from all texts."""
    if isinstance(value, dict):
        return {key: _scrubbed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_scrubbed(entry) for entry in value]
    return without_query(value) if isinstance(value, str) else value


def _band_keys(provider: CatalogConventions, assets: dict[str, Any]) -> dict[str, str]:
    """Return band name (and `SCL`, if listed) -> asset key.

    Raises:
        BadItem: a band is missing.
    """
    found = provider.keys(assets)
    missing = [band for band in BAND_NAMES if band not in found]
    if missing:
        listed = ", ".join(sorted(assets)[:_LISTED]) + (", ..." if len(assets) > _LISTED else "")
        raise BadItem(
            f"the item lists no asset for band {', '.join(missing)}",
            asset=missing[0],
            remedy=f"give an item with all 12 bands; this one has {listed or 'no assets'}",
        )
    return found


def _check_distinct(hrefs: dict[str, str]) -> None:
    for band, href in hrefs.items():
        twin = next(other for other in hrefs if hrefs[other] == href)
        if twin != band:
            raise BadItem(f"it is the same file as {twin}'s: {href}", asset=band, remedy="correct the item's hrefs")
