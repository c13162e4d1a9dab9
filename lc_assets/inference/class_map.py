"""A finished class map in the store: its files, pixel counts and how it was made, all read from its own tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from lc_assets.core.errors import StoreError
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.inference.windows.classify import Classification
from lc_assets.raster.cog import class_cog, confidence_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.writer import RasterWriter, side_by_side
from lc_assets.store.paths import StorePath, gdal_path


@dataclass(frozen=True)
class ClassMap:
    """A class map and its confidence raster.

    Attributes:
        item: STAC item id.
        path, confidence: the two rasters.
        grid: the grid of both, 10 m.
        pixels: number of pixels per class code, No Data last.
        tags: dataset tags: how the map was made (`Classification.tags`), and how many pixels are No Data for which
            reason.
    """

    item: str
    path: StorePath
    confidence: StorePath
    grid: Grid
    pixels: np.ndarray
    tags: dict[str, str]

    @classmethod
    def open(cls, path: StorePath, confidence: StorePath, item: str) -> ClassMap:
        """Read a class map's tags.

        Args:
            path, confidence: the two rasters.
            item: STAC item id that both must have.

        Raises:
            StoreError: one of them is missing, or belongs to another item.
        """
        try:
            with rasterio.open(gdal_path(path)) as dataset:
                tags = dataset.tags()
                with rasterio.open(gdal_path(confidence)) as beside:
                    complete = tags.get("ITEM_ID") == beside.tags().get("ITEM_ID") == item
                if not complete or beside.shape != dataset.shape:
                    raise StoreError(
                        f"{path} and {confidence.name} are no class map of this item",
                        item=item,
                        asset="class_raster",
                        remedy=_REMEDY,
                    )
                pixels = np.array([int(tags[f"PIXELS_{c.code}"]) for c in ALL_CLASSES])
                return cls(item, path, confidence, Grid.of(dataset), pixels, tags)
        except (RasterioIOError, KeyError):
            raise StoreError(
                "its class map is not in the store", item=item, asset="class_raster", remedy=_REMEDY
            ) from None

    def share(self, code: int) -> float:
        """Return the share of a class code among all pixels, 0..1."""
        return float(self.pixels[code] / self.pixels.sum())


_REMEDY = "materialise class_raster of this item"


Progress = Callable[[int, int], None]
"""A function that is called after each block with the number of finished rows and of all rows."""


def write_class_map(
    classification: Classification, path: Path, confidence: Path, progress: Progress | None = None
) -> None:
    """Compute a classification and write the class map and the confidence raster block by block, in one pass.

    Each raster is written by its own thread. Earlier blocks are written while the next ones are computed, and both
    files are converted to COGs at the same time.

    Args:
        classification: the map to compute.
        path, confidence: target files in a staging folder.
        progress: see `Progress`.

    Raises:
        BadModel, BadBand: from the computation.
        StoreError: a file does not read back as it was computed (GDAL reports a full disk late, or never).
    """
    grid, tags = classification.stack.grid, classification.tags

    def counted() -> dict[str, str]:
        statistics = classification.statistics
        return {
            **{f"PIXELS_{c.code}": str(statistics.pixels[c.code]) for c in ALL_CLASSES},
            **({"MEAN_CONFIDENCE": f"{sure:.2f}"} if (sure := statistics.mean_confidence) is not None else {}),
            "NO_SOURCE_DATA": str(statistics.no_source_data),
            "HIDDEN": str(statistics.hidden),
            "IMPOSSIBLE_DN": str(statistics.impossible),
            "NO_VOTE": str(statistics.no_vote),
        }

    with side_by_side(
        RasterWriter(path, class_cog(path, grid, tags), counted),
        RasterWriter(confidence, confidence_cog(confidence, grid, tags), dict),
    ) as (classes, percent):
        for block in classification.blocks():
            classes.put(block.window, block.classes)
            percent.put(block.window, block.confidence)
            if progress:
                progress(int(block.window.row_off + block.window.height), grid.height)
    for stage, seconds in (("write", classes.seconds + percent.seconds), ("cog", classes.final + percent.final)):
        classification.statistics.stages.add(stage, seconds)
    wrong = [writer.path.name for writer in (classes, percent) if not writer.is_verified]
    if wrong:
        raise StoreError(
            f"{' and '.join(wrong)} does not read back as it was computed",
            item=classification.stack.item,
            asset="class_raster",
            remedy="look at the disk, then run it again",
        )
