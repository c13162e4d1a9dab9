"""IO manager of overview: a class map of lower resolution by mode, and a picture of it with a legend."""

from __future__ import annotations

from lc_assets.core.checksum import sha256_of_files
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import overview_metadata
from lc_assets.products.overview import Overview, OverviewPlan
from lc_assets.raster.cog import class_cog
from lc_assets.raster.legend import class_entries, write_legend
from lc_assets.raster.render import map_with_legend, read_codes_for_display
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout, pam_file, style_file

THUMBNAIL_SIDE = 512
OVERVIEW_BLOCK = 128
"""Tile width of the COG, in pixels. It is small, so that even a small overview has its own overviews."""


class OverviewIOManager(SceneIOManager):
    """Writes an `OverviewPlan`. Reads an `Overview`."""

    def write(self, scene: SceneLayout, value: OverviewPlan) -> Written:
        """Write the overview block by block, its legend, and the picture."""
        with atomic_output(scene.folder, item=scene.item, asset="overview") as stage:
            path = stage / scene.overview.name
            with class_cog(path, value.grid, value.tags, blocksize=OVERVIEW_BLOCK) as dataset:
                for window, codes in value.blocks():
                    dataset.write(codes, 1, window=window)
            # The hectares are those of the class map, not those of the overview's coarser pixels.
            entries = class_entries(value.pixels, value.source_grid.pixel_area)
            write_legend(entries, pam_file(path), style_file(path))
            codes, pixel_size = read_codes_for_display(path, THUMBNAIL_SIDE)
            picture = map_with_legend(codes, value.pixels, value.source_grid.pixel_area, pixel_size)
            (stage / scene.thumbnail.name).write_bytes(picture)
            version = sha256_of_files(stage.iterdir())
        return Written(overview_metadata(self.read(scene), value), version)

    def read(self, scene: SceneLayout) -> Overview:
        """Return the stored overview.

        Raises:
            StoreError: the overview is not in the store.
        """
        return Overview.open(scene.overview, scene.thumbnail, scene.item)
