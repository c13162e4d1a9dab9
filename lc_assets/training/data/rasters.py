"""Open the rasters that are learnt from and judged by."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from lc_assets.core.errors import LandCoverError


@contextmanager
def opened_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster, with or without a georeference.

    Raises:
        LandCoverError: it cannot be read, when it is opened or within the context.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                yield dataset
    except (RasterioError, OSError) as error:
        raise LandCoverError(
            f"{path} cannot be read ({error})", remedy="put the original file back, or name another folder"
        ) from None
