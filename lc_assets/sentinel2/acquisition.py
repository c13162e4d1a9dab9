"""Find out which items are versions of one another: the same acquisition, processed more than once.

A datatake is one continuous swath. It is downlinked as one or more datastrips. Where a datastrip ends inside a tile,
the catalog has two items for that tile and datatake, with one datatake time and two sensing starts. They are two halves
of one acquisition, and both are needed (microsoft/PlanetaryComputer#256). Reprocessing keeps the datatake, moves the
sensing start by seconds at most, and changes the baseline and the generation time. How these names are built:
stactools-packages/sentinel2#130. The forms of the ids: `lc_assets.sentinel2.scene_ids`.

Two halves can have sensing starts that differ by seconds only, as two versions have. So one item replaces another only
where it covers the ground of the other (`lc_assets.sentinel2.item.coverage`) and both baselines are certain
(`lc_assets.sentinel2.item.baseline`). Where this cannot be decided, no item replaces the other and both are classified.

`datetime` is not used: it is the time of the datatake on the Planetary Computer, but of the tile on Earth Search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from lc_assets.sentinel2.item.baseline import baseline_of
from lc_assets.sentinel2.item.coverage import covers
from lc_assets.sentinel2.product import product_of, properties_of
from lc_assets.sentinel2.scene_ids import id_parts

SENSING_TOLERANCE = timedelta(seconds=30)
"""Largest difference between the sensing starts of two versions. Most halves differ by minutes (12 minutes in the real
pair that the tests use), but not all of them."""

_DATATAKE = re.compile(r"G(S2[A-Z])_(\d{8}T\d{6})_\d{6}(?:_N\d\d\.\d\d)?")
_DATASTRIP = re.compile(r"S2[A-Z]_.*_DS_.*_S(\d{8}T\d{6})(?:_N\d\d\.\d\d)?")
_TILE = re.compile(r"(?:MGRS-|T)?(\d{1,2})([A-Z]{3})")


@dataclass(frozen=True)
class Acquisition:
    """One tile of one datastrip of one datatake. A value is None where the item does not give it.

    Attributes:
        satellite: `S2A`, `S2B`, ...
        tile: `33UUB`, `07HFE`.
        datatake: start of the datatake in UTC, to the second.
        sensing: start of sensing of the datastrip in UTC.
    """

    satellite: str | None
    tile: str | None
    datatake: datetime | None
    sensing: datetime | None

    @property
    def is_certain(self) -> bool:
        """True when satellite, tile and sensing start are known.

        The datatake may be missing: an id of Earth Search's Collection 1 gives only the sensing start. That is enough,
        because a satellite senses one strip at a time.
        """
        return None not in (self.satellite, self.tile, self.sensing)

    def is_same(self, other: Acquisition) -> bool:
        """True when both certainly have the same tile and datatake and their sensing starts differ by at most
        `SENSING_TOLERANCE`. They are then two versions or, rarely, two halves."""
        if not (self.is_certain and other.is_certain) or (self.satellite, self.tile) != (other.satellite, other.tile):
            return False
        if self.datatake and other.datatake and self.datatake != other.datatake:
            return False
        assert self.sensing and other.sensing  # is_certain
        return abs(self.sensing - other.sensing) <= SENSING_TOLERANCE


def acquisition_of(document: Mapping[str, Any]) -> Acquisition:
    """Return the acquisition of an item, read from its properties, else its product name, else its id. Never raises."""
    properties = properties_of(document)
    product, own = product_of(document), id_parts(_id(document))
    named = vars(product) if product else own
    datatake = _DATATAKE.fullmatch(_text(properties, "s2:datatake_id", "eopf:datatake_id"))
    datastrip = _DATASTRIP.fullmatch(_text(properties, "s2:datastrip_id", "eopf:datastrip_id"))
    platform = re.fullmatch(r"(?i)sentinel-?2([a-z])", str(properties.get("platform", "")))
    satellite = f"S2{platform[1].upper()}" if platform else datatake[1] if datatake else None
    tile = next(
        (m for key in ("s2:mgrs_tile", "grid:code") if (m := _TILE.fullmatch(str(properties.get(key, ""))))), None
    ) or _TILE.fullmatch(named.get("tile", ""))
    return Acquisition(
        satellite=satellite or named.get("satellite"),
        tile=f"{int(tile[1]):02}{tile[2]}" if tile else None,
        datatake=_time(datatake[2] if datatake else product.datatake if product else None),
        sensing=_time(datastrip[1] if datastrip else own.get("sensing")),
    )


def is_later_processing(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True when item `a` has the same acquisition and product level as item `b` and was certainly processed later.

    Later means a higher baseline, or the same baseline and a later generation time. A baseline that is not certain
    counts as neither higher nor equal. Two halves of one acquisition can have these properties too: compare the ground
    that they cover (`lc_assets.sentinel2.item.coverage`).
    """
    levels = _level(a), _level(b)
    if None in levels or levels[0] != levels[1] or not acquisition_of(a).is_same(acquisition_of(b)):
        return False
    first, second = baseline_of(a), baseline_of(b)
    if not (first.is_certain and second.is_certain):
        return False
    if first.number != second.number:
        assert first.number and second.number  # is_certain
        return first.number > second.number
    time_a, time_b = _generated(a), _generated(b)
    return time_a is not None and time_b is not None and time_a > time_b


def is_newer_version(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True when item `a` can replace item `b`: it has certainly the same acquisition and product level, was processed
    later, and covers the ground of `b`."""
    return is_later_processing(a, b) and _is_on_ground_of(a, b)


def is_older_version(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True when item `b` is a later processing of item `a`, and `a` covers the ground of `b`. A user who keeps first
    versions then does not need `b`."""
    return is_later_processing(b, a) and _is_on_ground_of(a, b)


def _is_on_ground_of(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True when both items have the same tile and `a` certainly covers (nearly) all ground of `b`."""
    tile = acquisition_of(a).tile
    return tile is not None and tile == acquisition_of(b).tile and covers(a, b, tile)


def _generated(document: Mapping[str, Any]) -> datetime | None:
    """Return the generation time of the product in UTC, or None where it is not given."""
    product = product_of(document)
    return _time(properties_of(document).get("s2:generation_time")) or _time(product.generation if product else None)


def _level(document: Mapping[str, Any]) -> str | None:
    properties = properties_of(document)
    for text in (properties.get("s2:product_type"), properties.get("s2:product_uri"), _id(document)):
        match = re.search(r"MSI(?:L)?(1C|2A)|_L(1C|2A)$", str(text or ""))
        if match:
            return match[1] or match[2]
    return None


def _time(text: Any) -> datetime | None:
    """Parse a time written as in names (`20240820T174100`) or properties (RFC 3339, any number of decimals). Return it
    in UTC, or None where the text is not such a time."""
    if not isinstance(text, str):
        return None
    match = re.fullmatch(
        r"(\d{4})-?(\d\d)-?(\d\d)[Tt](\d\d):?(\d\d):?(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]00:00)?", text.strip()
    )
    try:
        fraction = int(((match[7] or "") if match else "").ljust(6, "0")[:6])
        return datetime(*(int(n) for n in match.groups()[:6]), fraction, tzinfo=timezone.utc) if match else None  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def _id(document: Mapping[str, Any]) -> str:
    return str(document.get("id") or "")


def _text(properties: Mapping[str, Any], *keys: str) -> str:
    """Return the first of some properties as text, cut to 200 characters: no valid name is longer."""
    return next((str(properties[key])[:200] for key in keys if properties.get(key)), "")
