"""A small map of where scenes are: land, sea, graticule, scale and footprints, as one inline SVG.

Equirectangular about the middle latitude of what is shown. Land comes from the mask of the package global-land-mask
(NOAA's GLOBE, 1/120 degree), of which only the rows of the extent are kept: as the package itself loads it, it takes
933 MB.
"""

from __future__ import annotations

import importlib.util
import io
import math
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lc_assets.core.errors import LandCoverError
from lc_assets.products.pages.html import data_url
from lc_assets.raster.render import encoded, scale_bar

Position = tuple[float, float]
Ring = tuple[Position, ...]

WIDTH = 1000
"""Of the drawing, in its own units; a page shows it at any size."""
_PIXELS = 800
"""Of the land behind it, across."""
_SAMPLES = 2
"""Of the mask per pixel of the land, along an axis."""
_ROWS, _COLUMNS = 21600, 43200
_PER_DEGREE = 120
_LAND = (134, 128, 104)
_OPAQUE = 150
"""Of 255: the page's own colour of the sea shines through, so that one picture serves light and dark."""
_LEAST_DEGREES = 14.0
"""A single tile is shown with so much of what is around it, in degrees of latitude."""
_MARGIN = 0.2
_WIDEST = 180.0
"""Degrees of longitude; scenes further apart are shown on the whole world."""
_WORLD = (-180.0, -60.0, 180.0, 84.0)
"""Without the Antarctic, unless scenes are there."""
_SHAPES = (1.5, 2.5)
"""Least and greatest width of the map, in heights."""
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 45, 60)
_LINES = 5
_DOT = 9.0
"""A footprint smaller than this, in units of the drawing, is a dot."""
_TALL, _HALF_THE_EARTH = 18.0, 60.0
"""Degrees of latitude from which the scale is of one latitude only, and from which there is none."""
_METRES_PER_DEGREE = 6_371_000.0 * math.pi / 180
"""Of latitude; mean radius of the Earth (IUGG)."""


@dataclass(frozen=True)
class Extent:
    """What the map shows, in degrees; east is beyond 180 where it reaches over the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    @property
    def squeeze(self) -> float:
        """Length of a degree of longitude in degrees of latitude, at the middle."""
        return _squeeze((self.south + self.north) / 2)

    @property
    def height(self) -> float:
        """Of the drawing, which is WIDTH wide."""
        return WIDTH * (self.north - self.south) / ((self.east - self.west) * self.squeeze)

    def at(self, position: Position) -> Position:
        """Where a position is drawn."""
        across = (position[0] - self.west) / (self.east - self.west)
        return WIDTH * across, self.height * (self.north - position[1]) / (self.north - self.south)


@dataclass(frozen=True)
class MapMarker:
    """One or more scenes at one place.

    Attributes:
        key: by which the page's script finds its cards.
        href: where it leads.
        label: what is read out.
        rings: its outlines, each in one piece (longitudes may be beyond 180).
    """

    key: str
    href: str
    label: str
    rings: tuple[Ring, ...]


def outlines(geometry: dict[str, Any]) -> tuple[Ring, ...]:
    """The outer rings of a GeoJSON polygon or multipolygon, each unrolled: none jumps at the antimeridian.

    Raises:
        ValueError, TypeError, KeyError, IndexError: it is no such geometry.
    """
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    elif geometry["type"] != "MultiPolygon":
        raise ValueError(f"its geometry is a {str(geometry['type'])[:40]}")
    rings = []
    for polygon in polygons:
        ring: list[Position] = []
        for longitude, latitude, *_ in polygon[0]:
            x, y = float(longitude), float(latitude)
            if not (abs(x) <= 360 and abs(y) <= 90):
                raise ValueError(f"its geometry has the position {x:g}, {y:g}")
            ring.append((x + 360 * round((ring[-1][0] - x) / 360) if ring else x, y))
        if not ring:
            raise ValueError("its geometry is empty")
        rings.append(tuple(ring))
    if not rings:
        raise ValueError("its geometry is empty")
    return tuple(rings)


def extent_of(rings: Sequence[Ring]) -> Extent:
    """The part of the Earth that shows all rings with what is around them; the whole where they are far apart."""
    if not rings:
        return Extent(*_WORLD)
    south, north = (pick(y for ring in rings for _, y in ring) for pick in (min, max))
    west, east = _span(rings)
    if east - west > _WIDEST:
        return Extent(_WORLD[0], max(-90.0, min(_WORLD[1], south - 1)), _WORLD[2], min(90.0, max(_WORLD[3], north + 1)))
    squeeze = _squeeze((south + north) / 2)
    wide, high = (east - west) * squeeze, north - south
    margin = max(_MARGIN * max(wide, high), (_LEAST_DEGREES - max(wide, high)) / 2)
    wide, high = wide + 2 * margin, high + 2 * margin
    wide, high = max(wide, _SHAPES[0] * high), max(high, wide / _SHAPES[1])
    high = min(high, 180.0)
    middle = min(max((south + north) / 2, high / 2 - 90), 90 - high / 2)
    half = min(wide / _squeeze(middle) / 2, 180.0)
    return Extent((west + east) / 2 - half, middle - high / 2, (west + east) / 2 + half, middle + high / 2)


def _squeeze(latitude: float) -> float:
    return max(math.cos(math.radians(latitude)), 0.1)


def _span(rings: Sequence[Ring]) -> tuple[float, float]:
    """West and east of all rings: the other way round the Earth is the widest gap between them."""
    spans = []
    for ring in rings:
        low = min(x for x, _ in ring)
        start = (low + 180) % 360 - 180
        spans.append((start, start + max(x for x, _ in ring) - low))
    spans.sort()
    west, reach = spans[0][0], spans[0][1]
    gap, best = 0.0, west
    for start, end in spans[1:]:
        if start - reach > gap:
            gap, best = start - reach, start
        reach = max(reach, end)
    if west + 360 - reach >= gap:
        return west, reach
    return best, max(end if start >= best else end + 360 for start, end in spans)


def locator_svg(spots: Iterable[MapMarker], extent: Extent) -> str:
    """The map, to be put into a page; sizes of type and strokes are the page's, in pixels.

    Raises:
        LandCoverError: the land mask is not installed as it should be.
    """
    drawn = "".join(_spot(spot, extent) for spot in spots)
    lines, labels = _graticule(extent)
    land = land_png(extent)
    box = f'viewBox="0 0 {WIDTH} {extent.height:.1f}" preserveAspectRatio="none" width="100%" height="100%"'
    return (
        f'<svg class="locator" role="group" aria-label="Map of the scenes"><svg {box}>'
        f'<image href="{data_url("png", land)}" width="{WIDTH}" height="{extent.height:.1f}" '
        f'preserveAspectRatio="none"/><path class="graticule" d="{lines}"/>{drawn}</svg>{labels}{_scale(extent)}</svg>'
    )


def _spot(spot: MapMarker, extent: Extent) -> str:
    """The link with its outline, drawn again a turn to the east or west where it shows there, too."""
    whole = [ring for ring in spot.rings for ring in _turned(ring, extent)]
    points = [[extent.at(position) for position in ring] for ring in whole]
    sizes = [max(max(p[n] for p in ring) - min(p[n] for p in ring) for n in (0, 1)) for ring in points]
    if max(sizes, default=0.0) < _DOT:
        kind, path = "dot", "".join(f"M{_middle(ring)}h0" for ring in points)
    else:
        kind, path = "area", "".join(f"M{' '.join(f'{x:.1f},{y:.1f}' for x, y in ring)}Z" for ring in points)
    return (
        f'<a class="spot {kind}" href="{escape(spot.href)}" data-spot="{escape(spot.key)}" '
        f'aria-label="{escape(spot.label)}"><path d="{path}"/></a>'
    )


def _turned(ring: Ring, extent: Extent) -> Iterable[Ring]:
    for turn in (-720, -360, 0, 360, 720):
        xs = [x + turn for x, _ in ring]
        if min(xs) < extent.east and max(xs) > extent.west:
            yield tuple((x + turn, y) for x, y in ring)


def _middle(ring: Sequence[Position]) -> str:
    x, y = (sum(p[n] for p in ring) / len(ring) for n in (0, 1))
    return f"{x:.1f},{y:.1f}"


def _graticule(extent: Extent) -> tuple[str, str]:
    """Lines as a path, and their labels in shares of the drawing, so that type keeps its size."""
    lines, labels = [], []
    for axis, low, high in ((0, extent.west, extent.east), (1, extent.south, extent.north)):
        step = next((s for s in _STEPS if (high - low) / s <= _LINES), _STEPS[-1])
        for value in (n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)):
            x, y = extent.at((value, extent.north) if axis == 0 else (extent.west, value))
            lines.append(f"M{x:.1f},0V{extent.height:.1f}" if axis == 0 else f"M0,{y:.1f}H{WIDTH}")
            share = x / WIDTH if axis == 0 else y / extent.height
            if 0.08 < share < 0.92:
                where = f'x="{100 * share:.2f}%" y="100%" dy="-6"' if axis == 0 else f'x="6" y="{100 * share:.2f}%"'
                labels.append(
                    f'<text class="{"meridian" if axis == 0 else "parallel"}" {where}>{_name(value, axis)}</text>'
                )
    return "".join(lines), "".join(labels)


def _name(value: float, axis: int) -> str:
    turned = (value + 180) % 360 - 180 if axis == 0 else value
    side = "" if turned == 0 or turned == -180 else ("EN" if turned > 0 else "WS")[axis]
    return f"{abs(turned):g}°{' ' + side if side else ''}"


def _scale(extent: Extent) -> str:
    """A bar of a round length; it holds at the middle latitude, which the words say where it matters. Of half the Earth
    none would hold."""
    if extent.north - extent.south > _HALF_THE_EARTH:
        return ""
    metres = _METRES_PER_DEGREE * (extent.north - extent.south) / extent.height
    length, label = scale_bar(metres, WIDTH // 4)
    middle = (extent.south + extent.north) / 2
    if extent.north - extent.south > _TALL:
        label += f" at {abs(middle):.0f}° {'N' if middle >= 0 else 'S'}"
    right, left = 97.0, 97.0 - 100 * length / WIDTH
    return (
        f'<line class="scale" x1="{left:.2f}%" x2="{right:.2f}%" y1="16" y2="16"/>'
        f'<text class="scale" x="{right:.2f}%" y="32">{label}</text>'
    )


def land_png(extent: Extent) -> bytes:
    """An indexed PNG of the extent: land in one colour, the shore softened, the sea transparent.

    Raises:
        LandCoverError: the mask is not there, or another than this was written for.
    """
    height = max(1, round(_PIXELS * extent.height / WIDTH))
    rows = _indices(extent.north, extent.south, -_PER_DEGREE, 90.0, height * _SAMPLES)
    columns = _indices(extent.west, extent.east, _PER_DEGREE, -180.0, _PIXELS * _SAMPLES) % _COLUMNS
    land = _land(np.clip(rows, 0, _ROWS - 1), columns)
    levels = land.reshape(height, _SAMPLES, _PIXELS, _SAMPLES).sum(axis=(1, 3), dtype=np.uint8)
    image = Image.fromarray(levels, "P")
    most = _SAMPLES * _SAMPLES
    image.putpalette(_LAND * (most + 1))
    alphas = bytes(_OPAQUE * level // most for level in range(most + 1))
    return encoded(image, "PNG", optimize=True, transparency=alphas)


def _indices(start: float, end: float, per_degree: int, origin: float, count: int) -> np.ndarray:
    """Rows or columns of the mask at the middles of `count` equal parts."""
    middles = start + (end - start) * (np.arange(count) + 0.5) / count
    return np.floor((middles - origin) * per_degree).astype(np.int64)


def _land(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Land at rows (ascending) and columns of the mask, which runs from the north and from 180 degrees west."""
    try:
        with zipfile.ZipFile(_mask_file()) as archive, archive.open("mask.npy") as stream:
            np.lib.format.read_magic(stream)
            shape, by_columns, kind = np.lib.format.read_array_header_1_0(stream)
            if (shape, by_columns, kind) != ((_ROWS, _COLUMNS), False, np.dtype(bool)):
                raise ValueError(f"it has {shape} values of {kind}")
            found = np.empty((len(rows), len(columns)), dtype=bool)
            following, sea = 0, np.empty(0, dtype=bool)
            for number, row in enumerate(rows):
                if row >= following:
                    stream.seek((int(row) - following) * _COLUMNS, io.SEEK_CUR)
                    sea = np.frombuffer(stream.read(_COLUMNS), dtype=bool)[columns]
                    following = int(row) + 1
                found[number] = ~sea
            return found
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise LandCoverError(
            f"the land mask of the package global-land-mask cannot be read ({error})",
            remedy="install it again: pip install --force-reinstall global-land-mask",
        ) from None


def _mask_file() -> Path:
    """Found without importing the package, which would load it all."""
    spec = importlib.util.find_spec("global_land_mask")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("it is not installed")
    return Path(spec.submodule_search_locations[0]) / "globe_combined_mask_compressed.npz"
