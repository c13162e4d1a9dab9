"""What an item promises about a band's file, to be held against what arrives.

Fields of STAC's projection extension (v1 `proj:epsg`, v2 `proj:code`) and file extension (v2 `file:size`,
`file:checksum`, a multihash). Nothing need be promised; what is promised must make sense.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lc_assets.core.errors import BadItem

MAX_SIDE = 110_000
"""Pixels a side: ten tiles, a mosaic wider than a UTM zone. A file that says more is not fetched to see."""

_REMEDY = "mend the item, or fetch it again from its catalog"
_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(frozen=True)
class DeclaredAsset:
    """What an item says of one band's file; None where it does not say.

    Attributes:
        epsg: code of its CRS.
        shape: (rows, columns).
        transform: the six numbers of its affine transform: pixel width, 0, left, 0, -pixel height, top.
        size: bytes.
        checksum: multihash, lower-case hex: `1220` and a SHA-256, `d50110` and an MD5.
    """

    epsg: int | None = None
    shape: tuple[int, int] | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    size: int | None = None
    checksum: str | None = None

    @property
    def sha256(self) -> str | None:
        """The file's SHA-256 in hex, where the checksum is one."""
        return self._digest("1220")

    @property
    def md5(self) -> str | None:
        """The file's MD5 in hex, where the checksum is one."""
        return self._digest("d50110")

    def _digest(self, prefix: str) -> str | None:
        found = self.checksum or ""
        return found.removeprefix(prefix) if found.startswith(prefix) else None


def promise_of(asset: Mapping[str, Any], properties: Mapping[str, Any], *, item: str, band: str) -> DeclaredAsset:
    """Read what a band's asset declares; the CRS may be declared by the item as a whole, the asset's own word wins.

    Raises:
        BadItem: something declared is malformed, or no band can be of that size.
    """

    def bad(key: str, value: Any, problem: str) -> BadItem:
        return BadItem(f"its {key} {str(value)[:80]!r} {problem}", item=item, asset=band, remedy=_REMEDY)

    epsg = _epsg(asset, bad) or _epsg(properties, bad)
    shape = _whole_numbers(asset.get("proj:shape"))
    if asset.get("proj:shape") is not None and (shape is None or len(shape) != 2 or min(shape) < 1):
        raise bad("proj:shape", asset["proj:shape"], "is no pair of rows and columns")
    if shape is not None and max(shape) > MAX_SIDE:
        raise bad("proj:shape", asset["proj:shape"], f"is more than {MAX_SIDE} pixels a side")
    size = _whole_numbers([asset.get("file:size")])
    if asset.get("file:size") is not None and (size is None or size[0] < 1):
        raise bad("file:size", asset["file:size"], "is no number of bytes")
    return DeclaredAsset(
        epsg=epsg,
        shape=(shape[0], shape[1]) if shape else None,
        transform=_transform(asset.get("proj:transform"), bad),
        size=size[0] if size else None,
        checksum=_checksum(asset.get("file:checksum"), bad),
    )


def _epsg(fields: Mapping[str, Any], bad: Any) -> int | None:
    """The EPSG code in an asset or in the properties. A code of another authority is none: there is nothing to
    compare it with. The two spellings must agree."""
    number = fields.get("proj:epsg")
    found = _whole_numbers([number])
    if number is not None and (found is None or not 1024 <= found[0] <= 999_999):
        raise bad("proj:epsg", number, "is no EPSG code")
    code = fields.get("proj:code")
    if code is not None and not (
        isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,40}:[A-Za-z0-9_.-]{1,40}", code)
    ):
        raise bad("proj:code", code, "is no authority:code")
    coded = re.fullmatch(r"(?i)EPSG:(\d{4,6})", code or "")
    if code is not None and code.upper().startswith("EPSG:") and coded is None:
        raise bad("proj:code", code, "is no EPSG code")
    if coded and found and int(coded[1]) != found[0]:
        raise bad("proj:code", code, f"contradicts its proj:epsg {found[0]}")
    return int(coded[1]) if coded else (found[0] if found else None)


def _transform(value: Any, bad: Any) -> tuple[float, float, float, float, float, float] | None:
    if value is None:
        return None
    # Nine numbers are the same transform with its last row written out.
    numbers = isinstance(value, list) and len(value) in (6, 9) and all(_is_number(n) for n in value)
    if not numbers or (len(value) == 9 and [float(n) for n in value[6:]] != [0.0, 0.0, 1.0]):
        raise bad("proj:transform", value, "is no affine transform of 6 or 9 numbers")
    a, b, c, d, e, f = (float(n) for n in value[:6])
    return a, b, c, d, e, f


def _checksum(value: Any, bad: Any) -> str | None:
    """A multihash; None for a bare digest, which does not say of what kind it is: the file is checked in other ways,
    and a clumsy catalogue's scenes remain usable."""
    if value is None:
        return None
    if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) % 2 or len(value) > 300:
        raise bad("file:checksum", value, "is no multihash in hexadecimal")
    content = bytes.fromhex(value)
    position = 0
    for _ in range(2):  # kind and length, each seven bits a byte, the last byte below 0x80
        start = position
        while position < len(content) and content[position] >= 0x80:
            position += 1
        position += 1
    length = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(content[start:position]))
    return value.lower() if position < len(content) and length == len(content) - position else None


def _whole_numbers(values: Any) -> list[int] | None:
    """The values as integers, or None where one is not whole."""
    if not isinstance(values, list) or not all(_is_number(v) and v == int(v) for v in values):
        return None
    return [int(v) for v in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
