"""From digital numbers to reflectance, whatever the processing baseline.

Since processing baseline 04.00 (25 January 2022; reprocessed archives too) a band offset keeps dark pixels from being
clipped: reflectance = (DN - 1000) / 10000 for valid pixels, where DN 0 means "no data". Before, reflectance = DN /
10000. Source: Sentinel-2 Products Specification Document S2-PDGS-TAS-DI-PSD, v14.9, RADIO_ADD_OFFSET and
BOA_ADD_OFFSET. The baseline decides, never the date; a catalog that has already removed the offset says so in the item
(`earthsearch:boa_offset_applied`).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lc_assets.errors import BadItem

SCALE = 1e-4
"""Reflectance per DN."""

BASELINE_WITH_OFFSET = (4, 0)
OFFSET_DN = -1000
NODATA_DN = 0
MIN_VALID_DN = 1
"""Valid pixels never fall to 0 when the offset is removed: 0 is kept for "no data"."""

_BASELINE = re.compile(r"(\d{2})\.?(\d{2})")


def parse_baseline(properties: dict[str, Any], item_id: str) -> str:
    """Processing baseline as `"NN.NN"`, from the item's properties.

    Raises:
        BadItem: it is neither in `s2:processing_baseline` (or `processing:version`) nor in the product's name.
    """
    for key in ("s2:processing_baseline", "processing:version"):
        match = _BASELINE.fullmatch(str(properties.get(key, "")).strip())
        if match:
            return f"{match[1]}.{match[2]}"
    match = re.search(r"_N(\d{2})(\d{2})_", str(properties.get("s2:product_uri", "")))
    if match:
        return f"{match[1]}.{match[2]}"
    raise BadItem(
        "the processing baseline is not given, so it cannot be known whether 1000 must be subtracted from its DN",
        item=item_id,
        remedy='add the property "s2:processing_baseline", e.g. "05.11", to the item',
    )


def offset_dn(baseline: str, properties: dict[str, Any]) -> int:
    """What to add to a valid DN to make it proportional to reflectance: -1000 or 0."""
    if properties.get("earthsearch:boa_offset_applied") is True:
        return 0
    major, minor = (int(part) for part in baseline.split("."))
    return OFFSET_DN if (major, minor) >= BASELINE_WITH_OFFSET else 0


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
