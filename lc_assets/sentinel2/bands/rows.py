"""The rows of one raster, decoded once from top to bottom, and which of its pixels hold no reflectance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.windows import Window

from lc_assets.sentinel2.radiometry import HIGHEST_DN, NODATA_DN

VALUE, EMPTY, ABSENT, IMPOSSIBLE_DN = 0, 1, 2, 3
"""What a band's own pixel holds: a value; DN 0; what its file declares as no data; a DN that no sensor gives."""

Reading = Callable[[rasterio.DatasetReader, Window, np.ndarray], object]
"""Fill an array with a window of a dataset."""


@dataclass
class Part:
    """Rows of one raster, at its own resolution.

    Attributes:
        factor: 10 m pixels along a pixel's side.
        first: the first row.
        rows: (rows, columns) DN or codes; 0 where `flags` is not `VALUE`.
        flags: the same shape, uint8, `VALUE`, `EMPTY`, ...; None where all hold a value, or nobody asked.
    """

    factor: int
    first: int
    rows: np.ndarray
    flags: np.ndarray | None = None

    def cut(self, values: np.ndarray, top: int, bottom: int) -> np.ndarray:
        """Of `rows` or `flags` those that hold 10 m rows `top .. bottom - 1`."""
        return values[top // self.factor - self.first : -(-bottom // self.factor) - self.first]

    def columns(self, left: int, right: int) -> Part:
        """The same of 10 m columns `left .. right - 1` only, not copied; without flags where all hold a value."""
        across = slice(left // self.factor, -(-right // self.factor))
        flags = self.flags[:, across] if self.flags is not None else None
        return Part(self.factor, self.first, self.rows[:, across], flags if flags is not None and flags.any() else None)


class Rows:
    """Reads the rows of a raster in order; what the next call needs again is kept.

    Args:
        dataset: first band is read.
        factor: 10 m pixels along a pixel's side.
        band: its name, for messages.
        reading: how its pixels are read.
        flagged: tell pixels without reflectance apart (for bands).
        step: pixels of the dataset along one that is given; they are alike.
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
        """Rows more above and below that each call gives."""
        self._dataset, self._reading, self._step = dataset, reading, step
        self._height, self._width = dataset.height // step, dataset.width // step
        # 0 says nothing by itself: a dark pixel may hold it (`lc_assets.sentinel2.bands.validity`).
        self._absent = int(dataset.nodata) if flagged and dataset.nodata else None
        self._flagged = flagged
        kind = np.uint8 if reading is read_mask else dataset.dtypes[0]
        self._kept = Part(factor, 0, np.empty((0, self._width), kind))

    def span(self, top: int, bottom: int) -> Part:
        """Rows that hold 10 m rows `top .. bottom - 1`, and the margin. Neither may lie above the last call's.

        Raises:
            RasterioIOError: they cannot be decoded.
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
            odd = self._flags(added) if self._flagged else None
            if odd is not None or flags is not None:
                flags = np.concatenate([_or_none(flags, kept_rows), _or_none(odd, added)])
        self._kept = Part(self.factor, first, rows, flags if flags is not None and flags.any() else None)
        return self._kept

    def _flags(self, dn: np.ndarray) -> np.ndarray | None:
        """Of rows just read; these are set to 0 where they hold no reflectance."""
        # A look at the extremes is cheap; most rows hold values only.
        if dn.min() > NODATA_DN and dn.max() <= HIGHEST_DN and self._absent is None:
            return None
        flags = np.where(dn == NODATA_DN, np.uint8(EMPTY), np.uint8(VALUE))
        np.copyto(flags, IMPOSSIBLE_DN, where=dn > HIGHEST_DN)
        if self._absent is not None:
            np.copyto(flags, ABSENT, where=dn == self._absent)
        np.copyto(dn, NODATA_DN, where=flags != VALUE)
        return flags


def read_band(band: int) -> Reading:
    """How to read a band."""
    return lambda dataset, window, out: dataset.read(band, window=window, out=out)


def read_mask(dataset: rasterio.DatasetReader, window: Window, out: np.ndarray) -> None:
    """Read the dataset's mask: 0 where it has no data."""
    dataset.read_masks(1, window=window, out=out)


def _or_none(flags: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    return np.zeros(rows.shape, np.uint8) if flags is None else flags
