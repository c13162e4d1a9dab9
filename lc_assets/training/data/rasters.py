"""Open the rasters of training and evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from lc_assets.core.errors import LandCoverError


@contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster, with or without a georeference.

    Raises:
        LandCoverError: it cannot be opened, or cannot be read inside the context.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                yield dataset
    except (RasterioError, OSError) as error:
        raise LandCoverError(
            f"{path} cannot be read ({error})", remedy="restore the original file, or use another folder"
        ) from None
