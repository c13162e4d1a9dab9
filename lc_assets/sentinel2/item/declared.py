"""Read what an item declares about a band's file, so that the downloaded file can be compared with it.

The fields are those of STAC's projection extension (v1 `proj:epsg`, v2 `proj:code`) and file extension (v2 `file:size`,
`file:checksum`, a multihash). All of them are optional, but a field that is given must be valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lc_assets.core.errors import BadItem
from lc_assets.core.json_values import is_number

MAX_SIDE = 110_000
"""Largest width and height in pixels: ten tiles, a mosaic wider than a UTM zone. A larger file is not fetched."""

_REMEDY = "correct the item, or fetch it again from its catalog"
_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(frozen=True)
class DeclaredAsset:
    """The values that an item declares for one band's file; None where it declares none.

    Attributes:
        epsg: code of its CRS.
        shape: (rows, columns).
        transform: six numbers of its affine transform: pixel width, 0, left, 0, -pixel height, top.
        size: bytes.
        checksum: multihash in lower-case hex: `1220` plus a SHA-256, or `d50110` plus an MD5.
        notes: what is malformed, and counts as not declared.
    """

    epsg: int | None = None
    shape: tuple[int, int] | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    size: int | None = None
    checksum: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def sha256(self) -> str | None:
        """The file's SHA-256 in hex, or None where the checksum is of another kind."""
        return self._digest("1220")

    @property
    def md5(self) -> str | None:
        """The file's MD5 in hex, or None where the checksum is of another kind."""
        return self._digest("d50110")

    def _digest(self, prefix: str) -> str | None:
        found = self.checksum or ""
        return found.removeprefix(prefix) if found.startswith(prefix) else None


def declared_asset(asset: Mapping[str, Any], properties: Mapping[str, Any], band: str) -> DeclaredAsset:
    """Return what a band's asset declares about its file.

    The item's properties may declare the CRS for all assets; the asset's own value has precedence.

    A malformed field counts as not declared, because it is only compared with the file; `notes` tells of it.

    Raises:
        BadItem: two fields contradict each other, or the size is too large for a band.
    """
    notes: list[str] = []

    def bad(key: str, value: Any, problem: str) -> BadItem:
        return BadItem(f"its {key} {str(value)[:80]!r} {problem}", asset=band, remedy=_REMEDY)

    def unusable(key: str, value: Any, problem: str) -> None:
        notes.append(f"asset {band}: its {key} {str(value)[:80]!r} {problem} and is not used")

    epsg = _epsg(asset, bad, unusable) or _epsg(properties, bad, unusable)
    shape = _whole_numbers(asset.get("proj:shape"))
    if asset.get("proj:shape") is not None and (shape is None or len(shape) != 2 or min(shape) < 1):
        unusable("proj:shape", asset["proj:shape"], "is no pair of rows and columns")
        shape = None
    if shape is not None and max(shape) > MAX_SIDE:
        raise bad("proj:shape", asset["proj:shape"], f"is more than {MAX_SIDE} pixels a side")
    size = _whole_numbers([asset.get("file:size")])
    if asset.get("file:size") is not None and (size is None or size[0] < 1):
        unusable("file:size", asset["file:size"], "is no number of bytes")
        size = None
    return DeclaredAsset(
        epsg=epsg,
        shape=(shape[0], shape[1]) if shape else None,
        transform=_transform(asset.get("proj:transform"), unusable),
        size=size[0] if size else None,
        checksum=_checksum(asset.get("file:checksum"), unusable),
        notes=tuple(notes),
    )


def _epsg(fields: Mapping[str, Any], bad: Any, unusable: Any) -> int | None:
    """Return the EPSG code in an asset or in the properties, or None.

    A code of another authority counts as none, because it cannot be compared with the file. The two fields `proj:epsg`
    and `proj:code` must agree.
    """
    number = fields.get("proj:epsg")
    found = _whole_numbers([number])
    if number is not None and (found is None or not 1024 <= found[0] <= 999_999):
        found = unusable("proj:epsg", number, "is no EPSG code")
    code = fields.get("proj:code")
    if code is not None and not (
        isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,40}:[A-Za-z0-9_.-]{1,40}", code)
    ):
        code = unusable("proj:code", code, "is no authority:code")
    coded = re.fullmatch(r"(?i)EPSG:(\d{4,6})", code or "")
    if code is not None and code.upper().startswith("EPSG:") and coded is None:
        unusable("proj:code", code, "is no EPSG code")
    if coded and found and int(coded[1]) != found[0]:
        raise bad("proj:code", code, f"contradicts its proj:epsg {found[0]}")
    return int(coded[1]) if coded else (found[0] if found else None)


def _transform(value: Any, unusable: Any) -> tuple[float, float, float, float, float, float] | None:
    if value is None:
        return None
    # Nine numbers are the same transform, with the last row 0 0 1 added.
    numbers = isinstance(value, list) and len(value) in (6, 9) and all(is_number(n) for n in value)
    if not numbers or (len(value) == 9 and [float(n) for n in value[6:]] != [0.0, 0.0, 1.0]):
        unusable("proj:transform", value, "is no affine transform of 6 or 9 numbers")
        return None
    a, b, c, d, e, f = (float(n) for n in value[:6])
    return a, b, c, d, e, f


def _checksum(value: Any, unusable: Any) -> str | None:
    """Return a multihash in lower-case hex, or None for a bare digest, which does not name its algorithm.

    A bare digest is not an error: the file is then checked in other ways, and the scenes of such a catalog stay usable.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) % 2 or len(value) > 300:
        unusable("file:checksum", value, "is no multihash in hexadecimal")
        return None
    content = bytes.fromhex(value)
    position = 0
    for _ in range(2):  # algorithm and length, as varints: seven bits per byte, the last byte below 0x80
        start = position
        while position < len(content) and content[position] >= 0x80:
            position += 1
        position += 1
    length = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(content[start:position]))
    return value.lower() if position < len(content) and length == len(content) - position else None


def _whole_numbers(values: Any) -> list[int] | None:
    """Return the values as integers, or None where one of them is not a whole number."""
    if not isinstance(values, list) or not all(is_number(v) and v == int(v) for v in values):
        return None
    return [int(v) for v in values]
