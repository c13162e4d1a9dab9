"""GDAL's settings for this process. An environment variable that is already set is not changed.

The block cache is limited (GDAL's default is 5 % of the machine's memory). Folder listings are skipped, because the
files of a scene are known. Sidecar files are neither searched nor written.

The settings are environment variables instead of a `rasterio.Env`. Each thread has a stack of `Env` contexts, and
they must end in reverse order. Two generators that are read alternately cannot guarantee this order.

GDAL reads AWS's credentials from the environment itself. Where boto3 is installed, rasterio would also pass them to
GDAL, by a new session of boto3 for almost every call (20 ms each, a sixth of a small scene's run): here it does not.
"""

from __future__ import annotations

from rasterio.session import DummySession, Session

from lc_assets.core.cpu import cpu_count
from lc_assets.core.environment import set_default

SETTINGS: dict[str, str] = {
    "GDAL_CACHEMAX": "256",  # MB
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
}


def configure() -> None:
    """Apply the settings. The import of `lc_assets.raster` calls this, before any raster is opened."""
    for name, value in {**SETTINGS, "GDAL_NUM_THREADS": str(cpu_count())}.items():
        set_default(name, value)
    Session.from_environ = staticmethod(DummySession)
