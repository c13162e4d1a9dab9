"""The forms of item ids, and what they say: tile, date, acquisition. This module imports nothing that takes long.

Item ids:

    Planetary Computer              S2A_MSIL2A_<datatake>_R098_T13TDE_<generation>
    ESA, Copernicus Data Space      S2A_MSIL2A_<datatake>_N0511_R098_T13TDE_<generation>
    Earth Search sentinel-2-c1-l2a  S2A_T13TDE_<sensing start of the datastrip>_L2A
    Earth Search sentinel-2-l2a     S2A_13TDE_20240820_<sequence>_L2A   a sequence may be a half or a version
"""

from __future__ import annotations

import re

from lc_assets.sentinel2.product import product_named

_COLLECTION_1 = re.compile(
    r"(?P<satellite>S2[A-Z])_T(?P<tile>\d{1,2}[A-Z]{3})_(?P<sensing>\d{8}T\d{6})_(?P<level>L1C|L2A)"
)
_SEQUENCE = re.compile(r"(?P<satellite>S2[A-Z])_(?P<tile>\d{1,2}[A-Z]{3})_(?P<day>\d{8})_\d+_(?P<level>L1C|L2A)")


def id_parts(item_id: str) -> dict[str, str]:
    """Return what an id says: satellite, level and tile (`7HFE` may have one digit), and `datatake` and `generation`,
    or `sensing`, or `day`. The dict is empty for an id of an unknown form."""
    product = product_named(item_id)
    match = None if product else _COLLECTION_1.fullmatch(item_id) or _SEQUENCE.fullmatch(item_id)
    return vars(product) if product else match.groupdict() if match else {}


def acquisition_prefix(item_id: str) -> str | None:
    """Return the prefix that the ids of all versions of an acquisition share, or None for an id of an unknown form.

    The two halves of an acquisition share it too. The prefix finds candidates among many ids without reading their
    items; `is_newer_version` then decides.
    """
    parts = id_parts(item_id)
    if "datatake" in parts:
        return f"{parts['satellite']}_MSI{parts['level']}_{parts['datatake']}_{parts['orbit']}_T{parts['tile']}"
    if "sensing" in parts:  # only the day: the sensing starts of two versions may differ by seconds
        return f"{parts['satellite']}_T{parts['tile']}_{parts['sensing'][:8]}"
    return f"{parts['satellite']}_{parts['tile']}_{parts['day']}" if parts else None


def scene_label(item_id: str) -> str:
    """Return tile and date of a scene by its id, `33UUB 2024-06-21`; the id itself where it is of an unknown form."""
    parts = id_parts(item_id)
    if not parts:
        return item_id
    day = parts.get("datatake") or parts.get("sensing") or parts["day"]
    return f"{parts['tile']:0>5} {day[:4]}-{day[4:6]}-{day[6:8]}"
