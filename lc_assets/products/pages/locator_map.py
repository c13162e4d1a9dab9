"""A small map of the scenes, as inline SVG: land, sea, graticule, scale bar and footprints.

The projection is equirectangular about the middle latitude of the map. Land comes from the mask of the package
global-land-mask (NOAA GLOBE, 1/120 degree). The package itself loads the whole mask (933 MB). This module reads it
as a stream and keeps only the rows of the map.
"""

from __future__ import annotations

import importlib.util
import io
import math
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from lc_assets.core.errors import LandCoverError
from lc_assets.products.pages.html import data_url, render
from lc_assets.raster.render import encode_image, scale_bar

Position = tuple[float, float]
Ring = tuple[Position, ...]

WIDTH = 1000
"""Width of the drawing, in its own units. A page can show it at any size."""
_PIXELS = 800
"""Width of the picture of the land."""
_SAMPLES = 2
"""Samples of the mask per pixel of the picture, along an axis."""
_ROWS, _COLUMNS = 21600, 43200
_PER_DEGREE = 120
_LAND = (134, 128, 104)
_OPAQUE = 150
"""Opacity of land, of 255. The page's colour of the sea is visible through it, in the light and in the dark theme."""
_MIN_DEGREES = 14.0
"""Smallest height or width of a map, in degrees of latitude."""
_MARGIN = 0.2
_MAX_SPAN = 180.0
"""Degrees of longitude. Scenes further apart are shown on a map of the world."""
_WORLD = (-180.0, -60.0, 180.0, 84.0)
"""West, south, east, north, without Antarctica. Scenes there extend the map."""
_SHAPES = (1.5, 2.5)
"""Smallest and largest ratio of width to height."""
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 45, 60)
_LINES = 5
_DOT = 9.0
"""A footprint smaller than this, in units of the drawing, is a dot."""
_SCALE_LATITUDE_DEGREES, _NO_SCALE_DEGREES = 18.0, 60.0
"""Heights of a map above which the scale bar names its latitude, and above which the map has no scale bar."""
_METRES_PER_DEGREE = 6_371_000.0 * math.pi / 180
"""Metres per degree of latitude; mean radius of the Earth (IUGG)."""


@dataclass(frozen=True)
class Extent:
    """The extent of the map, in degrees. East is greater than 180 if it crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    @property
    def aspect(self) -> float:
        """Length of a degree of longitude, in degrees of latitude, at the middle latitude."""
        return _aspect((self.south + self.north) / 2)

    @property
    def height(self) -> float:
        """Height of the drawing, whose width is WIDTH."""
        return WIDTH * (self.north - self.south) / ((self.east - self.west) * self.aspect)

    def at(self, position: Position) -> Position:
        """Return a position (longitude, latitude) in the drawing (x, y)."""
        across = (position[0] - self.west) / (self.east - self.west)
        return WIDTH * across, self.height * (self.north - position[1]) / (self.north - self.south)


@dataclass(frozen=True)
class MapMarker:
    """One or more scenes at one position.

    Attributes:
        key: key by which the page's script finds the cards.
        href: address of the link.
        label: text of the link, for screen readers.
        rings: outlines. They do not jump at the antimeridian, so longitudes may be greater than 180.
    """

    key: str
    href: str
    label: str
    rings: tuple[Ring, ...]


def outlines(geometry: dict[str, Any]) -> tuple[Ring, ...]:
    """Return the outer rings of a GeoJSON polygon or multipolygon, without jumps at the antimeridian.

    Raises:
        ValueError, TypeError, KeyError, IndexError: the geometry is neither, or is invalid.
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
    """Return the extent of all rings with a margin; the world if they are far apart or if there is no ring."""
    if not rings:
        return Extent(*_WORLD)
    south, north = (pick(y for ring in rings for _, y in ring) for pick in (min, max))
    west, east = _span(rings)
    if east - west > _MAX_SPAN:
        return Extent(_WORLD[0], max(-90.0, min(_WORLD[1], south - 1)), _WORLD[2], min(90.0, max(_WORLD[3], north + 1)))
    aspect = _aspect((south + north) / 2)
    wide, high = (east - west) * aspect, north - south
    margin = max(_MARGIN * max(wide, high), (_MIN_DEGREES - max(wide, high)) / 2)
    wide, high = wide + 2 * margin, high + 2 * margin
    wide, high = max(wide, _SHAPES[0] * high), max(high, wide / _SHAPES[1])
    high = min(high, 180.0)
    middle = min(max((south + north) / 2, high / 2 - 90), 90 - high / 2)
    half = min(wide / _aspect(middle) / 2, 180.0)
    return Extent((west + east) / 2 - half, middle - high / 2, (west + east) / 2 + half, middle + high / 2)


def _aspect(latitude: float) -> float:
    return max(math.cos(math.radians(latitude)), 0.1)


def _span(rings: Sequence[Ring]) -> tuple[float, float]:
    """Return west and east of all rings: the complement of the widest gap between them, around the Earth."""
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


def locator_svg(markers: Iterable[MapMarker], extent: Extent) -> Markup:
    """Return the map as inline SVG (`templates/locator.html.j2`). The style sheet defines the sizes of text and lines.

    Raises:
        LandCoverError: the land mask is not installed correctly.
    """
    return render(
        "locator.html.j2",
        width=WIDTH,
        height=f"{extent.height:.1f}",
        land=data_url("image/png", land_png(extent)),
        meridians=_grid_lines(extent, 0),
        parallels=_grid_lines(extent, 1),
        markers=[_drawn(marker, extent) for marker in markers],
        scale=_scale(extent),
    )


def _drawn(marker: MapMarker, extent: Extent) -> dict[str, str]:
    """Return a marker with the SVG path of its outlines. Very small outlines are dots."""
    rings = [
        [extent.at(position) for position in ring] for whole in marker.rings for ring in _shifted_into(whole, extent)
    ]
    sizes = [max(max(p[n] for p in ring) - min(p[n] for p in ring) for n in (0, 1)) for ring in rings]
    if max(sizes, default=0.0) < _DOT:
        kind, path = "dot", "".join(f"M{_middle(ring)}h0" for ring in rings)
    else:
        kind, path = "area", "".join(f"M{' '.join(f'{x:.1f},{y:.1f}' for x, y in ring)}Z" for ring in rings)
    return {"kind": kind, "path": path, "key": marker.key, "href": marker.href, "label": marker.label}


def _shifted_into(ring: Ring, extent: Extent) -> Iterable[Ring]:
    """Yield a ring, shifted by multiples of 360 degrees, wherever it intersects the extent."""
    for shift in (-720, -360, 0, 360, 720):
        xs = [x + shift for x, _ in ring]
        if min(xs) < extent.east and max(xs) > extent.west:
            yield tuple((x + shift, y) for x, y in ring)


def _middle(ring: Sequence[Position]) -> str:
    x, y = (sum(p[n] for p in ring) / len(ring) for n in (0, 1))
    return f"{x:.1f},{y:.1f}"


def _grid_lines(extent: Extent, axis: int) -> list[dict[str, Any]]:
    """Return meridians (axis 0) or parallels (1): position in the drawing, the same in percent, and label.

    Lines near an edge have no label, so that labels do not overlap there.
    """
    low, high = ((extent.west, extent.east), (extent.south, extent.north))[axis]
    length = (WIDTH, extent.height)[axis]
    step = next((s for s in _STEPS if (high - low) / s <= _LINES), _STEPS[-1])
    lines = []
    for value in (n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)):
        at = extent.at((value, extent.north) if axis == 0 else (extent.west, value))[axis]
        labelled = 0.08 < at / length < 0.92
        lines.append({"at": at, "percent": 100 * at / length, "label": _degrees(value, axis) if labelled else None})
    return lines


def _degrees(value: float, axis: int) -> str:
    turned = (value + 180) % 360 - 180 if axis == 0 else value
    side = "" if turned == 0 or turned == -180 else ("EN" if turned > 0 else "WS")[axis]
    return f"{abs(turned):g}°{' ' + side if side else ''}"


def _scale(extent: Extent) -> dict[str, Any] | None:
    """Return the scale bar at the middle latitude: its length in percent of the map's width, and its label.

    The label of a high map names the latitude. A map of more than 60 degrees has no scale bar.
    """
    if extent.north - extent.south > _NO_SCALE_DEGREES:
        return None
    metres = _METRES_PER_DEGREE * (extent.north - extent.south) / extent.height
    length, label = scale_bar(metres, WIDTH // 4)
    middle = (extent.south + extent.north) / 2
    if extent.north - extent.south > _SCALE_LATITUDE_DEGREES:
        label += f" at {abs(middle):.0f}° {'N' if middle >= 0 else 'S'}"
    return {"percent": 100 * length / WIDTH, "label": label}


def land_png(extent: Extent, *, mercator: bool = False) -> bytes:
    """Return an indexed PNG of the extent: land in one colour, an antialiased coast, and a transparent sea.

    Args:
        extent: what it shows.
        mercator: whether its rows are those of Web Mercator, and not equally spaced in latitude.

    Raises:
        LandCoverError: the mask is missing, or has another shape or type.
    """
    if mercator:
        top, bottom = (
            math.asinh(math.tan(math.radians(max(-85.0, min(85.0, n))))) for n in (extent.north, extent.south)
        )
        height = max(1, round(_PIXELS * (top - bottom) / math.radians(extent.east - extent.west)))
        latitudes = np.degrees(np.arctan(np.sinh(_middles(top, bottom, height))))
    else:
        height = max(1, round(_PIXELS * extent.height / WIDTH))
        latitudes = _middles(extent.north, extent.south, height)
    rows = np.floor((90.0 - latitudes) * _PER_DEGREE).astype(np.int64)
    columns = np.floor((_middles(extent.west, extent.east, _PIXELS) + 180.0) * _PER_DEGREE).astype(np.int64) % _COLUMNS
    land = _land(np.clip(rows, 0, _ROWS - 1), columns)
    levels = land.reshape(height, _SAMPLES, _PIXELS, _SAMPLES).sum(axis=(1, 3), dtype=np.uint8)
    image = Image.fromarray(levels, "P")
    most = _SAMPLES * _SAMPLES
    image.putpalette(_LAND * (most + 1))
    alphas = bytes(_OPAQUE * level // most for level in range(most + 1))
    return encode_image(image, "PNG", optimize=True, transparency=alphas)


def _middles(start: float, end: float, pixels: int) -> np.ndarray:
    """Return the positions of the samples of some pixels."""
    count = pixels * _SAMPLES
    return start + (end - start) * (np.arange(count) + 0.5) / count


def _land(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return land at rows (ascending) and columns of the mask, whose first pixel is at 90 degrees north, 180 west."""
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
    """Return the file of the mask, without an import of the package, which would load the whole mask."""
    spec = importlib.util.find_spec("global_land_mask")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("it is not installed")
    return Path(spec.submodule_search_locations[0]) / "globe_combined_mask_compressed.npz"
