"""Find out whether the pixels of a part of a scene have the same state as in the whole scene.

Whether a 0 in some bands is dark ground or the end of the band's footprint can depend on the whole scene
(`lc_assets.sentinel2.bands.validity`, rule 3): on what the cells with such zeros are connected with. If none of these
cells touches a side of the part beyond which the scene goes on, all that they are connected with is in the part.
"""

from __future__ import annotations

from collections.abc import Mapping

import rasterio
from rasterio.windows import Window

from lc_assets.sentinel2.band_table import BAND_NAMES, PIXEL_SIZE, SCL
from lc_assets.sentinel2.bands.rows import Part, flag_pixels
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.bands.validity import CELL, Sources, cells_of
from lc_assets.sentinel2.bands.verify import BandFile
from lc_assets.store.paths import gdal_path


def has_open_zeros(part: ScenePart, bands: Mapping[str, BandFile]) -> bool:
    """Return True if a cell with undecided zeros touches a side of the part beyond which the scene goes on.

    Args:
        part: the part.
        bands: band name (and `SCL`) -> file of the part.
    """
    strips = {
        "top": Window(0, 0, part.width, CELL),
        "left": Window(0, 0, CELL, part.height),
        "bottom": Window(0, part.height - CELL, part.width, CELL),
        "right": Window(part.width - CELL, 0, CELL, part.height),
    }
    # The zeros of a band with a mask of its own are not looked at: such files are rare.
    masked = any(band.masked for band in bands.values())
    return any(masked or cells_of(_sources(bands, strips[side]))[1].any() for side in part.open_sides)


def _sources(bands: Mapping[str, BandFile], window: Window) -> Sources:
    layers = tuple(_read(bands[name], window, flagged=True) for name in BAND_NAMES)
    scl = _read(bands[SCL], window, flagged=False) if SCL in bands else None
    return Sources(0, window.height, 0, window.width, layers, scl, None)


def _read(band: BandFile, window: Window, *, flagged: bool) -> Part:
    factor = band.gsd // PIXEL_SIZE
    native = Window(*(number // factor for number in window.flatten()))
    with rasterio.open(gdal_path(band.path)) as dataset:
        values = dataset.read(1, window=native)
    return Part(factor, 0, values, flag_pixels(values, band.nodata or None) if flagged else None)
