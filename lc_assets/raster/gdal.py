"""GDAL's settings for this process, in one place. A variable that is already set wins.

The block cache is bounded (GDAL's own default is 5 % of the machine's memory), folder listings are skipped (a scene is
a handful of known files), and sidecar files are neither looked for nor written.

They are environment variables rather than a `rasterio.Env`, because environments nest per thread and must be left in
the order they were entered, which generators that read two rasters in turn cannot promise.
"""

from __future__ import annotations

import os

from lc_assets.core.cpu import cpu_count

SETTINGS: dict[str, str] = {
    "GDAL_CACHEMAX": "256",  # MB
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
}


def configure() -> None:
    """Apply the settings; called when `lc_assets.raster` is first imported, before any raster is opened."""
    for name, value in {**SETTINGS, "GDAL_NUM_THREADS": str(cpu_count())}.items():
        os.environ.setdefault(name, value)
