"""From digital numbers to reflectance, whatever the processing baseline and whoever has handled the pixels since.

Since processing baseline 04.00 (25 January 2022; reprocessed archives too) a band offset keeps dark pixels from being
clipped: reflectance = (DN - 1000) / 10000 for valid pixels, where DN 0 means "no data". Before, reflectance = DN /
10000. Source: Sentinel-2 Products Specification Document S2-PDGS-TAS-DI-PSD, v14.9, RADIO_ADD_OFFSET and
BOA_ADD_OFFSET. The date never decides: archives were reprocessed.

What decides, the first that says something:

1. The flag `earthsearch:boa_offset_applied` (`sentinel:boa_offset_applied` in older items): true means that the pixels
   carry no offset any more, even where the bands still declare one. Both stand together in most items of Earth
   Search's `sentinel-2-l2a` since 2022 (Element84/earth-search#66, #71; cirrus-geo/cirrus-earth-search#21).
2. Scale and offset that the twelve bands declare, as `raster:bands` (STAC 1.0) or in `bands` (STAC 1.1): 0.0001 and
   -0.1, or 0. Earth Search's README: an offset other than 0 is still to be applied. stactools-sentinel2 writes what
   ESA's metadata say (its issue #44), and nobody touches the pixels of `sentinel-2-c1-l2a` (earth-search#41).
3. The baseline. The Planetary Computer's items say nothing else (microsoft/PlanetaryComputer#134). Which one it is, and
   whether it can be relied on, is read by `lc_assets.sentinel2.item.baseline`.

Refused is what cannot be known: no baseline that can be relied on and nothing declared; declarations that differ
between bands or contradict flag or baseline; and the flag set to false, or no baseline, in Earth Search's archive of
harmonised COGs (`unreliable_offset_archives` of `lc_assets.sentinel2.item.providers`). There the same metadata stand
beside pixels with the offset and beside pixels without it (earth-search#66 has one of each, #71 a list of wrong ones
from 2025, cirrus-earth-search#33 from 2022), and either guess makes a wrong map in silence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.item.baseline import Baseline

SCALE = 1e-4
"""Reflectance per DN."""

OFFSET_DN = -1000
NODATA_DN = 0
HIGHEST_DN = 30_000
"""A higher DN, offset included, is no measurement. A detector saturates near a reflectance of 1 / cos(sun zenith), by
the saturation radiances of the products' own specification: 3 at 70 degrees, and 28,002 is the highest DN of 1,085
EuroSAT chips. What lies far above is a sum that went below 0 in unsigned numbers (64,536 is 0 - 1000), or ESA's own
mark for saturation."""
SATURATED_DN = 65_535
"""ESA's mark for a saturated pixel (`SPECIAL_VALUE_INDEX` in a product's metadata)."""
MIN_VALID_DN = 1
"""Valid pixels never fall to 0 when the offset is removed: 0 is kept for "no data"."""

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
    item_id: str | None = None,
    doubtful: bool = False,
) -> int:
    """What to add to a valid DN to make it proportional to reflectance: -1000 or 0.

    Args:
        baseline: the item's, from `baseline_of`.
        properties: the item's; its flag wins.
        declared: what its bands declare, from `declared_offset`.
        item_id: for messages.
        doubtful: true where the archive is one whose flag is often wrong when it says false.

    Raises:
        BadItem: what the item says contradicts itself, is known to be unreliable, or does not tell.
    """
    key, flag = next(((key, properties[key]) for key in _FLAGS if properties.get(key) is not None), ("", None))
    if flag is True:
        return 0
    if flag is not None and flag is not False:
        raise BadItem(f"its {key} {str(flag)[:40]!r} is neither true nor false", item=item_id, remedy="mend the item")
    if doubtful and baseline.has_offset is not False and (flag is False or baseline.has_offset is None):
        reason = f"its {key} is false, which" if flag is False else f"{baseline.doubt}, and what the bands declare"
        raise BadItem(
            f"{reason} in this archive is wrong for many scenes: whether 1000 must be subtracted from its DN cannot be "
            "known",
            item=item_id,
            remedy="use the same scene of the collection sentinel-2-c1-l2a, or look at the pixels (open water in B12: "
            "above 1000 with the offset, below 300 without) and set the property to true, or remove it",
        )
    if baseline.has_offset is None:
        if declared is not None:
            return declared
        raise BadItem(
            f"{baseline.doubt}, so it cannot be known whether 1000 must be subtracted from its DN",
            item=item_id,
            remedy=_DECLARE,
        )
    expected = OFFSET_DN if baseline.has_offset else 0
    if declared is None or declared == expected:
        return expected
    if expected and flag is not False:
        return 0  # declared, and no flag against it: a catalogue whose own pixels are harmonised
    raise BadItem(
        f"its bands declare an offset of {declared} DN, which contradicts "
        + (f"its {key} (false)" if expected else f"its processing baseline {baseline.text} (no offset before 04.00)"),
        item=item_id,
        remedy="find out which is right, then mend the item",
    )


def declared_offset(assets: Mapping[str, Any], item_id: str) -> int | None:
    """The offset in DN that a scene's bands declare, or None where they declare none.

    Args:
        assets: band name -> asset, of the twelve bands.
        item_id: for messages.

    Raises:
        BadItem: some bands declare one and others do not, they differ, or it is none of this sensor's.
    """
    found = {band: _declared(asset, item_id, band) for band, asset in assets.items()}
    first = next(iter(found.values()), None)
    for band, offset in found.items():
        if offset != first:
            raise BadItem(
                f"its declared offset ({offset} DN) differs from {next(iter(found))}'s ({first} DN)",
                item=item_id,
                asset=band,
                remedy="find out which is right, then mend the item",
            )
    return first


def _declared(asset: Mapping[str, Any], item_id: str, band: str) -> int | None:
    scale, offset = _scale_and_offset(asset)
    if offset is None or (scale == 1 and offset == 0):
        return None  # 1 and 0 are what tools write for a file whose header holds no scale: rio-stac does
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in (scale, offset))
    if numbers and abs(scale - SCALE) < _TOLERANCE:
        for value in (OFFSET_DN, 0):
            if abs(offset - value * SCALE) < _TOLERANCE:
                return value
    raise BadItem(
        f"it declares scale {str(scale)[:40]} and offset {str(offset)[:40]}; Sentinel-2 has 0.0001 and -0.1 or 0",
        item=item_id,
        asset=band,
        remedy="find out how its pixels are to be read, then mend the item",
    )


def _scale_and_offset(asset: Mapping[str, Any]) -> tuple[Any, Any]:
    """As declared by the first of: STAC 1.1's `bands` (raster extension 2, `raster:` in front), the asset itself (the
    same, for all its bands), STAC 1.0's `raster:bands`. A scale that is not given is this sensor's."""
    for key, prefix in (("bands", "raster:"), ("", "raster:"), ("raster:bands", "")):
        band = asset if not key else asset.get(key)
        band = band[0] if isinstance(band, list) and band else band
        if isinstance(band, Mapping) and band.get(f"{prefix}offset") is not None:
            scale = band.get(f"{prefix}scale")
            return (SCALE if scale is None else scale), band[f"{prefix}offset"]
    return None, None


def remove_offset(dn: np.ndarray, offset: int) -> np.ndarray:
    """DN with the offset added where there is data, at least 1 there; 0 stays 0.

    Args:
        dn: uint16 array of any shape.
        offset: from `offset_dn`, 0 or negative.
    """
    if offset == 0:
        return dn
    lowered = np.maximum(dn, MIN_VALID_DN - offset) + np.uint16(65536 + offset)  # modulo 2**16: a plain subtraction
    return np.where(dn == NODATA_DN, np.uint16(0), lowered)
