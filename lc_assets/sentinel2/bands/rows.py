"""Read the rows of one raster, each decoded once from top to bottom, and flag the pixels without reflectance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.windows import Window

from lc_assets.sentinel2.radiometry import HIGHEST_DN, NODATA_DN

VALUE, EMPTY, ABSENT, IMPOSSIBLE_DN = 0, 1, 2, 3
"""Flags of a band's native pixel: a value; DN 0; the nodata value that its file declares; a DN above `HIGHEST_DN`."""

Reading = Callable[[rasterio.DatasetReader, Window, np.ndarray], object]
"""A function that fills an array with a window of a dataset."""


@dataclass
class Part:
    """Rows of one raster, at its native resolution.

    Attributes:
        factor: number of 10 m pixels along a pixel's side.
        first: number of the first row.
        rows: (rows, columns) DN or codes; 0 where `flags` is not `VALUE`.
        flags: uint8 of the same shape, `VALUE`, `EMPTY`, ...; None where all pixels have a value, or flags were not
            requested.
    """

    factor: int
    first: int
    rows: np.ndarray
    flags: np.ndarray | None = None

    def cut(self, values: np.ndarray, top: int, bottom: int) -> np.ndarray:
        """Return the part of `values` (`rows` or `flags`) that contains the 10 m rows `top .. bottom - 1`."""
        return values[top // self.factor - self.first : -(-bottom // self.factor) - self.first]

    def columns(self, left: int, right: int) -> Part:
        """Return the part with the 10 m columns `left .. right - 1`, as a view; without flags where all have a
        value."""
        across = slice(left // self.factor, -(-right // self.factor))
        flags = self.flags[:, across] if self.flags is not None else None
        return Part(self.factor, self.first, self.rows[:, across], flags if flags is not None and flags.any() else None)


class Rows:
    """Reads the rows of a raster in order. Rows that the next call needs again are kept.

    Args:
        dataset: the raster.
        factor: number of 10 m pixels along the side of a returned pixel.
        reading: function that reads a window.
        band: name of the band, for messages.
        flagged: whether to flag pixels without reflectance (for bands).
        step: number of pixels of the dataset along the side of a returned pixel; they have the same value.
    """

    def __init__(
        self,
        dataset: rasterio.DatasetReader,
        factor: int,
        reading: Reading,
        *,
        band: str | None = None,
        flagged: bool = False,
        step: int = 1,
    ) -> None:
        self.band, self.factor = band, factor
        self.margin = 0
        """Number of additional rows above and below that each call returns."""
        self._dataset, self._reading, self._step = dataset, reading, step
        self._height, self._width = dataset.height // step, dataset.width // step
        # 0 alone does not mean "no data": dark pixels can have it (see `lc_assets.sentinel2.bands.validity`).
        self._absent = int(dataset.nodata) if flagged and dataset.nodata else None
        self._flagged = flagged
        kind = np.uint8 if reading is read_mask else dataset.dtypes[0]
        self._kept = Part(factor, 0, np.empty((0, self._width), kind))

    def span(self, top: int, bottom: int) -> Part:
        """Return the rows that contain the 10 m rows `top .. bottom - 1`, plus the margin.

        Neither `top` nor `bottom` may be smaller than in the previous call.

        Raises:
            RasterioIOError: the rows cannot be decoded.
        """
        width, step, kept = self._width, self._step, self._kept
        first = max(top // self.factor - self.margin, 0)
        stop = min(-(-bottom // self.factor) + self.margin, self._height)
        have = max(kept.first + len(kept.rows), first)
        rows = kept.rows[first - kept.first :]
        flags = kept.flags[first - kept.first :] if kept.flags is not None else None
        if stop > have:
            kept_rows, rows = rows, np.empty((stop - first, width), rows.dtype)
            rows[: len(kept_rows)] = kept_rows
            added = rows[len(kept_rows) :]
            self._reading(self._dataset, Window(0, have * step, width * step, (stop - have) * step), added)
            odd = flag_pixels(added, self._absent) if self._flagged else None
            if odd is not None or flags is not None:
                flags = np.concatenate([_or_none(flags, kept_rows), _or_none(odd, added)])
        self._kept = Part(self.factor, first, rows, flags if flags is not None and flags.any() else None)
        return self._kept


def flag_pixels(dn: np.ndarray, absent: int | None = None) -> np.ndarray | None:
    """Return the flags of a band's pixels, or None where all have a value. Sets pixels without reflectance to 0.

    Args:
        dn: uint16 DN.
        absent: the nodata value that the file declares, other than 0; None where it declares no such value.
    """
    # Minimum and maximum are fast to compute, and most rows have values only.
    if dn.min() > NODATA_DN and dn.max() <= HIGHEST_DN and absent is None:
        return None
    flags = np.where(dn == NODATA_DN, np.uint8(EMPTY), np.uint8(VALUE))
    np.copyto(flags, IMPOSSIBLE_DN, where=dn > HIGHEST_DN)
    if absent is not None:
        np.copyto(flags, ABSENT, where=dn == absent)
    np.copyto(dn, NODATA_DN, where=flags != VALUE)
    return flags


def read_band(band: int) -> Reading:
    """Return a function that reads a band by its 1-based number."""
    return lambda dataset, window, out: dataset.read(band, window=window, out=out)


def read_mask(dataset: rasterio.DatasetReader, window: Window, out: np.ndarray) -> None:
    """Read the dataset's mask: 0 where it has no data."""
    dataset.read_masks(1, window=window, out=out)


def _or_none(flags: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    return np.zeros(rows.shape, np.uint8) if flags is None else flags
