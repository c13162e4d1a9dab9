"""A finished class map on disk: where it is, what it adds up to, how it was made; all read from the file's own tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from lc_assets.errors import StoreError
from lc_assets.inference.sliding import Classification
from lc_assets.landcover import ALL_CLASSES, NO_DATA
from lc_assets.raster.cog import class_cog, confidence_cog, read_blocks
from lc_assets.raster.grid import Grid


@dataclass(frozen=True)
class ClassMap:
    """A class map and its confidence.

    Attributes:
        item: STAC item id.
        path, confidence: the two rasters.
        grid: their grid, 10 m.
        pixels: count per class code, No Data last.
        tags: how the map was made (`Classification.tags`), and why pixels are No Data.
    """

    item: str
    path: Path
    confidence: Path
    grid: Grid
    pixels: np.ndarray
    tags: dict[str, str]

    @classmethod
    def open(cls, path: Path, confidence: Path, item: str) -> ClassMap:
        """Read a class map's own description.

        Raises:
            StoreError: it is not there, or it is another item's.
        """
        try:
            with rasterio.open(path) as dataset:
                tags = dataset.tags()
                with rasterio.open(confidence) as beside:
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
        """Share of a code among all pixels, 0..1."""
        return float(self.pixels[code] / self.pixels.sum())


_REMEDY = "materialise class_raster of this item"


def write_class_map(
    classification: Classification, path: Path, confidence: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Compute a classification and write it block by block: class map and confidence in one pass.

    Args:
        classification: what to compute.
        path, confidence: targets in a staging folder.
        progress: called with rows done and rows in all after each block.

    Raises:
        BadModel, BadBand: from the computation.
        StoreError: what was written does not read back as it was computed (GDAL tells of a full disk late, or never).
    """
    grid, tags = classification.stack.grid, classification.tags
    with class_cog(path, grid, tags) as classes, confidence_cog(confidence, grid, tags) as percent:
        for block in classification.blocks():
            classes.write(block.classes, 1, window=block.window)
            percent.write(block.confidence, 1, window=block.window)
            if progress:
                progress(int(block.window.row_off + block.window.height), grid.height)
        statistics = classification.statistics
        counted = {f"PIXELS_{c.code}": str(statistics.pixels[c.code]) for c in ALL_CLASSES}
        why = {
            "NO_SOURCE_DATA": str(statistics.no_source_data),
            "HIDDEN": str(statistics.hidden),
            "NO_VOTE": str(statistics.no_vote),
        }
        classes.update_tags(**counted, **why)
    _verify(classification, path, confidence)


def _verify(classification: Classification, path: Path, confidence: Path) -> None:
    statistics = classification.statistics
    found = np.zeros(len(ALL_CLASSES), np.int64)
    for _, block in read_blocks(path):
        found += np.bincount(block.ravel(), minlength=len(ALL_CLASSES))
    percent = np.zeros(256, np.int64)
    for _, block in read_blocks(confidence):
        percent += np.bincount(block.ravel(), minlength=256)
    if not (found == statistics.pixels).all() or not (percent[:101] == statistics.confidence).all():
        raise StoreError(
            f"{path.name} does not read back as it was computed ({found[NO_DATA.code]} pixels of No Data instead of "
            f"{statistics.pixels[NO_DATA.code]})",
            item=classification.stack.item,
            asset="class_raster",
            remedy="look at the disk, then run it again",
        )
