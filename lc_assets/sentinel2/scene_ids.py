"""The forms of item ids, and what they say: tile, date, acquisition. This module imports nothing that takes long.

Item ids:

    Planetary Computer              S2A_MSIL2A_<datatake>_R098_T13TDE_<generation>
    ESA, Copernicus Data Space      S2A_MSIL2A_<datatake>_N0511_R098_T13TDE_<generation>
    Earth Search sentinel-2-c1-l2a  S2A_T13TDE_<sensing start of the datastrip>_L2A
    Earth Search sentinel-2-l2a     S2A_13TDE_20240820_<sequence>_L2A   a sequence may be a half or a version
"""

from __future__ import annotations

import re

PRODUCT = re.compile(
    r"(?P<satellite>S2[A-Z])_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})(?:_N\d\d\.?\d\d)?_R\d{3}"
    r"_T(?P<tile>\d{2}[A-Z]{3})_(?P<generation>\d{8}T\d{6})(?:\.SAFE)?"
)
COLLECTION_1 = re.compile(
    r"(?P<satellite>S2[A-Z])_T(?P<tile>\d{1,2}[A-Z]{3})_(?P<sensing>\d{8}T\d{6})_(?P<level>L1C|L2A)"
)
SEQUENCE = re.compile(r"(?P<satellite>S2[A-Z])_(?P<tile>\d{1,2}[A-Z]{3})_(?P<day>\d{8})_\d+_(?P<level>L1C|L2A)")


def acquisition_prefix(item_id: str) -> str | None:
    """Return the prefix that the ids of all versions of an acquisition share, or None for an id of an unknown form.

    The two halves of an acquisition share it too. The prefix finds candidates among many ids without reading their
    items; `is_newer_version` then decides.
    """
    if PRODUCT.fullmatch(item_id):
        return re.sub(r"_N\d\d\.?\d\d_", "_", item_id.rsplit("_", 1)[0])
    match = COLLECTION_1.fullmatch(item_id)
    if match:  # only the day: the sensing starts of two versions may differ by seconds
        return f"{match['satellite']}_T{match['tile']}_{match['sensing'][:8]}"
    match = SEQUENCE.fullmatch(item_id)
    return f"{match['satellite']}_{match['tile']}_{match['day']}" if match else None


def scene_label(item_id: str) -> str:
    """Return tile and date of a scene by its id, `33UUB 2024-06-21`; the id itself where it is of an unknown form."""
    match = PRODUCT.fullmatch(item_id) or COLLECTION_1.fullmatch(item_id) or SEQUENCE.fullmatch(item_id)
    if not match:
        return item_id
    named = match.groupdict()
    day = named.get("datatake") or named.get("sensing") or named["day"]
    return f"{named['tile']:0>5} {day[:4]}-{day[4:6]}-{day[6:8]}"
