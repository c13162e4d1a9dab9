"""raw_bands: the source files byte for byte, the item, a manifest."""

from __future__ import annotations

from typing import Any

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from lc_assets.errors import BadBand
from lc_assets.io_managers.base import SceneIOManager
from lc_assets.reports import report_raw_bands
from lc_assets.sentinel2.bands import TRUE_COLOUR
from lc_assets.sentinel2.item import Scene
from lc_assets.sentinel2.raw import MANIFEST, RawBands, fetch_scene
from lc_assets.store import SceneFolder, staging


class RawBandsIOManager(SceneIOManager):
    """Fetches a scene's files into its folder; gives them back as `RawBands`."""

    def write(self, scene: SceneFolder, value: Scene) -> dict[str, Any]:
        """Fetch, check, put."""
        with staging(scene.raw_bands, item=scene.item, asset="raw_bands", last=MANIFEST) as stage:
            fetched = fetch_scene(value, stage)
        raw = self.read(scene)
        try:
            return report_raw_bands(raw, fetched)
        except (RasterioError, CPLE_BaseError):
            raise BadBand(
                "its pixels cannot be decoded: the file is damaged",
                item=scene.item,
                asset=" or ".join(TRUE_COLOUR),
                remedy="get the file anew from its source, then run it again",
            ) from None

    def read(self, scene: SceneFolder) -> RawBands:
        """The complete folder."""
        return RawBands.open(scene.raw_bands, scene.item)
