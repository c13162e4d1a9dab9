"""Convert digital numbers (DN) to reflectance, for every processing baseline and every provider.

Since processing baseline 04.00 (25 January 2022, and reprocessed archives) the products have a band offset, which keeps
dark pixels from being clipped: reflectance = (DN - 1000) / 10000 for valid pixels, and DN 0 means "no data". Before,
reflectance = DN / 10000. Source: Sentinel-2 Products Specification Document S2-PDGS-TAS-DI-PSD, v14.9, RADIO_ADD_OFFSET
and BOA_ADD_OFFSET. The acquisition date is not used, because archives were reprocessed.

The first of these that is given decides whether the pixels carry the offset:

1. The flag `earthsearch:boa_offset_applied` (`sentinel:boa_offset_applied` in older items). True means that the offset
   has been removed from the pixels, even where the bands still declare one. Most items of Earth Search's
   `sentinel-2-l2a` since 2022 have both (Element84/earth-search#66, #71; cirrus-geo/cirrus-earth-search#21).
2. The scale and offset that the twelve bands declare, as `raster:bands` (STAC 1.0) or in `bands` (STAC 1.1): scale
   0.0001 and offset -0.1 or 0. Earth Search's README says that an offset other than 0 is still to be applied.
   stactools-sentinel2 writes what ESA's metadata say (its issue #44), and the pixels of `sentinel-2-c1-l2a` are never
   changed (earth-search#41).
3. The processing baseline. The Planetary Computer's items have nothing else (microsoft/PlanetaryComputer#134).
   `lc_assets.sentinel2.item.baseline` reads it and decides whether it can be relied on.

An item is refused in three cases: it has no reliable baseline and declares nothing; its declarations differ between
bands, or contradict the flag or the baseline; or it is in Earth Search's archive of harmonised COGs
(`has_unreliable_offset` of `lc_assets.sentinel2.item.catalog_conventions`) and its flag is false or its baseline
unknown. In that archive, items with the same metadata have pixels with the offset and pixels without it
(earth-search#66 has one of each, #71 lists wrong ones from 2025, cirrus-earth-search#33 from 2022). A guess would make
a wrong map without any message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lc_assets.core.errors import BadItem
from lc_assets.core.json_values import is_number
from lc_assets.sentinel2.item.baseline import Baseline

SCALE = 1e-4
"""Reflectance per DN."""

OFFSET_DN = -1000
NODATA_DN = 0
HIGHEST_DN = 30_000
"""Highest DN, offset included, that counts as a measurement. A detector saturates near a reflectance of 1 / cos(sun
zenith), which is 3 at 70 degrees, by the saturation radiances in the product specification; the highest DN of 1,085
EuroSAT chips is 28,002. A DN far above is an unsigned integer that fell below 0 (64,536 is 0 - 1000), or ESA's mark for
saturation."""
SATURATED_DN = 65_535
"""ESA's mark for a saturated pixel (`SPECIAL_VALUE_INDEX` in a product's metadata)."""
MIN_VALID_DN = 1
"""Lowest DN of a valid pixel after the offset is removed; 0 is reserved for "no data"."""

_FLAGS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_TOLERANCE = 1e-9
_DECLARE = (
    "find out from who made the product whether its DN carry the offset, and declare it in the item in one of three "
    'ways: the property "s2:processing_baseline", e.g. "05.11" (not with another baseline in its names); scale 0.0001 '
    'and offset -0.1, or 0 where there is none, in "raster:bands" or "bands" of all twelve bands; or the property '
    '"earthsearch:boa_offset_applied": true, where the offset has been removed'
)


def offset_dn(
    baseline: Baseline,
    properties: Mapping[str, Any],
    declared: int | None = None,
    *,
    doubtful: bool = False,
) -> int:
    """Return the offset to add to a valid DN, so that it is proportional to reflectance: -1000 or 0.

    Args:
        baseline: the item's processing baseline, from `baseline_of`.
        properties: the item's properties; a flag that is true decides before everything else.
        declared: the offset in DN that the bands declare, from `declared_offset`.
        doubtful: whether the files are in an archive where the flag "false" is often wrong.

    Raises:
        BadItem: the item's values contradict each other, are known to be unreliable, or do not give the offset.
    """
    key, flag = next(((key, properties[key]) for key in _FLAGS if properties.get(key) is not None), ("", None))
    if flag is True:
        return 0
    if flag is not None and flag is not False:
        raise BadItem(f"its {key} {str(flag)[:40]!r} is neither true nor false", remedy="correct the item")
    if doubtful and baseline.has_offset is not False and (flag is False or baseline.has_offset is None):
        reason = f"its {key} is false, which" if flag is False else f"{baseline.doubt}, and what the bands declare"
        raise BadItem(
            f"{reason} in this archive is wrong for many scenes: whether 1000 must be subtracted from its DN cannot be "
            "known",
            remedy="use the same scene of the collection sentinel-2-c1-l2a, or look at the pixels (open water in B12: "
            "above 1000 with the offset, below 300 without) and set the property to true, or remove it",
        )
    if baseline.has_offset is None:
        if declared is not None:
            return declared
        raise BadItem(
            f"{baseline.doubt}, so it cannot be known whether 1000 must be subtracted from its DN", remedy=_DECLARE
        )
    expected = OFFSET_DN if baseline.has_offset else 0
    if declared is None or declared == expected:
        return expected
    if expected and flag is not False:
        return 0  # declared, and no flag contradicts it: a catalog that has harmonised its own pixels
    raise BadItem(
        f"its bands declare an offset of {declared} DN, which contradicts "
        + (f"its {key} (false)" if expected else f"its processing baseline {baseline.text} (no offset before 04.00)"),
        remedy="find out which is right, then correct the item",
    )


def declared_offset(assets: Mapping[str, Any]) -> int | None:
    """Return the offset in DN that a scene's bands declare, or None where they declare no offset.

    Args:
        assets: band name -> asset, for the twelve bands.

    Raises:
        BadItem: only some bands declare an offset, the offsets differ, or Sentinel-2 does not use this offset.
    """
    found = {band: _declared(asset, band) for band, asset in assets.items()}
    first = next(iter(found.values()), None)
    for band, offset in found.items():
        if offset != first:
            raise BadItem(
                f"its declared offset ({offset} DN) differs from {next(iter(found))}'s ({first} DN)",
                asset=band,
                remedy="find out which is right, then correct the item",
            )
    return first


def _declared(asset: Mapping[str, Any], band: str) -> int | None:
    scale, offset = _scale_and_offset(asset)
    if offset is None or (scale == 1 and offset == 0):
        return None  # tools such as rio-stac write 1 and 0 for a file whose header has no scale
    if is_number(scale) and is_number(offset) and abs(scale - SCALE) < _TOLERANCE:
        for value in (OFFSET_DN, 0):
            if abs(offset - value * SCALE) < _TOLERANCE:
                return value
    raise BadItem(
        f"it declares scale {str(scale)[:40]} and offset {str(offset)[:40]}; Sentinel-2 has 0.0001 and -0.1 or 0",
        asset=band,
        remedy="find out how its pixels are to be read, then correct the item",
    )


def _scale_and_offset(asset: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the declared (scale, offset), or (None, None) where no offset is declared.

    The first of these that has an offset is used: STAC 1.1's `bands` (raster extension 2, with the prefix `raster:`),
    the asset itself (the same fields, valid for all its bands), STAC 1.0's `raster:bands`. A missing scale is `SCALE`.
    """
    for key, prefix in (("bands", "raster:"), ("", "raster:"), ("raster:bands", "")):
        band = asset if not key else asset.get(key)
        band = band[0] if isinstance(band, list) and band else band
        if isinstance(band, Mapping) and band.get(f"{prefix}offset") is not None:
            scale = band.get(f"{prefix}scale")
            return (SCALE if scale is None else scale), band[f"{prefix}offset"]
    return None, None


def remove_offset(dn: np.ndarray, offset: int) -> np.ndarray:
    """Return the DN with `offset` added. Pixels with data are at least 1 afterwards; 0 (no data) stays 0.

    Args:
        dn: uint16 array of any shape.
        offset: from `offset_dn`, 0 or negative.
    """
    if offset == 0:
        return dn
    lowered = np.maximum(dn, MIN_VALID_DN - offset) + np.uint16(65536 + offset)  # uint16 wraps around: this subtracts
    return np.where(dn == NODATA_DN, np.uint16(0), lowered)
