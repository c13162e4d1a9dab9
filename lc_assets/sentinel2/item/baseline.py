"""Read the processing baseline of an item, and decide whether it can be relied on.

A baseline is written `NN.NN` in properties (`05.11`) and `_N0511_` in a product's name. ESA has published 00.01 (early
Level-2A archives) and 02.00 to 05.12. Not every number there is one of ESA's baselines: Sen2Cor writes 99.NN when a
user runs it (senbox-org/sen2like#23), and the Copernicus Data Space has products made by CloudFerro with 99.99 and
`_N9999_` (documentation.dataspace.copernicus.eu, "Sentinel-2 L2A Baselines"). Such a number does not show whether the
pixels carry the offset: Sen2Cor removes or keeps it depending on its version and on the Level-1C input product.

The first of these that is given is used:

1. `s2:processing_baseline`, or `sentinel:processing_baseline` in older Earth Search items.
2. The product's name, in `s2:product_uri` or as the item's id.
3. `processing:version`, written `NN.NN`: the baseline in the catalog of the Copernicus Data Space. Any other text there
   is the version of a processor (Sen2Cor's `2.11`). Where 1 is given, this field is ignored.

The ids of datatake, datastrip and tile also end with a baseline. They are not used by themselves, because a product can
keep the ids of the product that it was made from. But they must not contradict the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lc_assets.sentinel2.product import properties_of

BASELINE_WITH_OFFSET = (4, 0)
"""The first baseline whose products carry the offset. Source: see `lc_assets.sentinel2.radiometry`."""

LAST_MAJOR = 19
"""Baselines 00.01 to 19.99 count as ESA's. ESA went from 02 to 05 in the ten years to 2025, so this leaves room for 06
and later. 20 and above are a year (2024) or Sen2Cor's 99; 00.00 comes from an empty field."""

UNKNOWN = "unknown"
"""Text for an unknown baseline in tags, metadata and reports."""

_STATED = ("s2:processing_baseline", "sentinel:processing_baseline")
_STRIPS = (
    *("s2:datatake_id", "s2:datastrip_id", "s2:granule_id", "s2:tile_id"),
    *("eopf:datatake_id", "eopf:datastrip_id"),
)
_VERSION = "processing:version"
_TEXT = re.compile(r"N?(?:(\d{2})\.?(\d{2})|(\d)\.(\d{2})|(\d{1,2})\.(0))")
_PADDED = re.compile(r"(\d{2})\.(\d{2})")
_IN_NAME = re.compile(r"_N(\d{2})\.?(\d{2})(?=_|\.SAFE|$)")
_PRODUCT = re.compile(r"S2[A-Z]_MSIL(?:1C|2A)_.*")
_LONGEST = 200
"""Number of characters of a name that are searched; ESA's names have less than 100."""

Number = tuple[int, int]


@dataclass(frozen=True)
class Baseline:
    """The processing baseline of an item.

    Attributes:
        number: major and minor number, (5, 11) for 05.11; None where it is not known.
        doubt: reason why it is not known, as the beginning of a message; "" where it is known.
        is_contradicted: True when the item names more than one baseline.
    """

    number: Number | None
    doubt: str = ""
    is_contradicted: bool = False

    @property
    def text(self) -> str:
        """`05.11`, or `unknown`."""
        return UNKNOWN if self.number is None else _text(self.number)

    @property
    def is_certain(self) -> bool:
        """True when it is known and the item names no other baseline."""
        return self.number is not None and not self.is_contradicted

    @property
    def has_offset(self) -> bool | None:
        """True when ESA's products of this baseline carry the offset; None where the baseline is not known."""
        return None if self.number is None else self.number >= BASELINE_WITH_OFFSET


class _Claim(NamedTuple):
    """A baseline, and the field of the item that names it."""

    number: Number
    source: str

    @property
    def is_published(self) -> bool:
        return (0, 0) < self.number < (LAST_MAJOR + 1, 0)


def baseline_of(document: Mapping[str, Any]) -> Baseline:
    """Return the processing baseline of a STAC item. Never raises.

    The baseline is unknown in three cases: the item names none; it names a number that is not one of ESA's baselines
    and has no property with a valid one; or it names one baseline with the offset and another one without. Of several
    baselines that agree on the offset, the first is returned.
    """
    properties = properties_of(document)
    stated = list(_stated(properties))
    named = list(_named(document, properties))
    believed = stated + named + ([] if stated else list(_versions(properties)))
    if not believed:
        return Baseline(None, "the processing baseline is not given")
    claims = believed + list(_stripped(properties))
    first = claims[0]
    contradicted = any(claim.number != first.number for claim in claims)
    # Users are asked to add the property, and they cannot change the name along with it: a valid property wins.
    odd = None if stated and first.is_published else next((claim for claim in claims if not claim.is_published), None)
    if odd:
        text = f"its {odd.source} names the processing baseline {_text(odd.number)}, which is none of ESA's"
        return Baseline(None, text, contradicted)
    for claim in claims:
        if claim.is_published and (claim.number >= BASELINE_WITH_OFFSET) != (first.number >= BASELINE_WITH_OFFSET):
            text = f"its processing baseline is {_text(first.number)} by its {first.source} but {_text(claim.number)} "
            return Baseline(None, f"{text}by its {claim.source}", contradicted)
    return Baseline(first.number, is_contradicted=contradicted)


def _stated(properties: Mapping[str, Any]) -> Iterator[_Claim]:
    for key in _STATED:
        if number := _number(properties.get(key)):
            yield _Claim(number, key)


def _named(document: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[_Claim]:
    uri, item_id = properties.get("s2:product_uri"), document.get("id")
    if isinstance(uri, str) and (match := _IN_NAME.search(uri[:_LONGEST])):
        yield _Claim((int(match[1]), int(match[2])), "s2:product_uri")
    if isinstance(item_id, str) and _PRODUCT.fullmatch(item_id[:_LONGEST]) and (match := _IN_NAME.search(item_id)):
        yield _Claim((int(match[1]), int(match[2])), "id")


def _versions(properties: Mapping[str, Any]) -> Iterator[_Claim]:
    value = properties.get(_VERSION)
    if isinstance(value, str) and (match := _PADDED.fullmatch(value.strip())):
        yield _Claim((int(match[1]), int(match[2])), _VERSION)


def _stripped(properties: Mapping[str, Any]) -> Iterator[_Claim]:
    for key in _STRIPS:
        value = properties.get(key)
        if isinstance(value, str) and (match := _IN_NAME.search(value[:_LONGEST])):
            yield _Claim((int(match[1]), int(match[2])), key)


def _number(value: Any) -> Number | None:
    """Return major and minor number of a stated baseline, or None where it cannot be read.

    A JSON number has lost its zeros: 5.1 is 05.10, because 05.01 would be 5.01. The text `5.1` can mean either and
    counts as unknown.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        hundredths = round(value * 100) if 0 <= value < 100 else -1  # NaN and infinity fail this test too
        return divmod(hundredths, 100) if hundredths >= 0 and abs(value * 100 - hundredths) < 1e-6 else None
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        return None
    major, minor = (part for part in match.groups() if part is not None)
    return int(major), int(minor)


def _text(number: Number) -> str:
    return f"{number[0]:02}.{number[1]:02}"
