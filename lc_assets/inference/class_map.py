"""A finished class map in the store: its files, its pixel counts and its dataset tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from lc_assets.core.errors import StoreError
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.inference.windows.classify import Classification
from lc_assets.raster.cog import class_cog, confidence_cog, probability_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.legend import class_entries, write_legend
from lc_assets.raster.writer import RasterWriter, run_writers
from lc_assets.store.layout import SceneLayout
from lc_assets.store.paths import StorePath, gdal_path
from lc_assets.store.product_layout import pam_file, style_file


@dataclass(frozen=True)
class ClassMap:
    """A class map, its confidence raster and, for a map of positions, the probabilities.

    Attributes:
        item: STAC item id.
        path, confidence: the two rasters.
        probabilities: the class probabilities, one cell per position; None for a map of windows.
        grid: the grid of the class map and the confidence, 10 m.
        pixels: number of pixels per class code, No Data last.
        tags: dataset tags: how the map was made (`Classification.tags`), and the number of No Data pixels per
            reason.
    """

    item: str
    path: StorePath
    confidence: StorePath
    probabilities: StorePath | None
    grid: Grid
    pixels: np.ndarray
    tags: dict[str, str]

    @classmethod
    def open(cls, scene: SceneLayout) -> ClassMap:
        """Read the tags of a scene's class map.

        Raises:
            StoreError: a raster is missing, or belongs to another item.
        """
        item, path = scene.item, scene.classified
        try:
            with rasterio.open(gdal_path(path)) as dataset:
                tags, grid = dataset.tags(), Grid.of(dataset)
            expected = {scene.confidence: grid}
            probabilities = scene.probabilities if tags.get("WINDOW") == "0" else None
            if probabilities:
                expected[probabilities] = grid.coarsened(int(tags["STRIDE"]))
            for other, expected_grid in expected.items():
                with rasterio.open(gdal_path(other)) as dataset:
                    same_item = tags.get("ITEM_ID") == dataset.tags().get("ITEM_ID") == item
                if not same_item or dataset.shape != expected_grid.shape:
                    raise StoreError(
                        f"{path} and {other.name} do not belong to one class map of this item",
                        item=item,
                        asset="class_raster",
                        remedy=_REMEDY,
                    )
            pixels = np.array([int(tags[f"PIXELS_{c.code}"]) for c in ALL_CLASSES])
            return cls(item, path, scene.confidence, probabilities, grid, pixels, tags)
        except (RasterioIOError, KeyError, ValueError, ZeroDivisionError):
            raise StoreError(
                "its class map is not in the store, or is damaged", item=item, asset="class_raster", remedy=_REMEDY
            ) from None

    @property
    def rasters(self) -> list[StorePath]:
        """All rasters of the map."""
        return [self.path, self.confidence, *([self.probabilities] if self.probabilities else [])]

    def share(self, code: int) -> float:
        """Return the share of a class code among all pixels, 0..1."""
        return float(self.pixels[code] / self.pixels.sum())


_REMEDY = "materialise class_raster of this item"


def check_codes(codes: np.ndarray, path: StorePath | str) -> None:
    """Check that pixels of a class map, uint8, have only codes of the class table: another program may have edited it.

    Raises:
        StoreError: a pixel has another code.
    """
    if codes.size and codes.max() > NO_DATA.code:
        raise StoreError(
            f"the class map {path} has the code {codes.max()}, which no class has",
            asset="class_raster",
            remedy="another program has changed it: make it again (lc-assets classify, or lc-assets map)",
        )


Progress = Callable[[int, int], None]
"""A function that is called after each block with the number of finished rows and of all rows."""


def write_class_map(classification: Classification, folder: Path, progress: Progress | None = None) -> None:
    """Compute a classification and write its rasters block by block, in one pass; then the legend of the class map.

    Each raster is written by its own thread. Earlier blocks are written while the next ones are computed, and all
    files are converted to COGs at the same time.

    Args:
        classification: the map to compute.
        folder: staging folder for the rasters. Their names are those of `SceneLayout`.
        progress: see `Progress`.

    Raises:
        BadModel, BadBand: see `Classification.blocks`.
        StoreError: the pixels of a file are not the computed ones (GDAL reports a full disk late, or never).
    """
    grid, tags = classification.stack.grid, classification.tags
    scene = SceneLayout(classification.stack.item, folder)
    path, confidence, probabilities = (
        folder / p.name for p in (scene.classified, scene.confidence, scene.probabilities)
    )

    def pixel_tags() -> dict[str, str]:
        statistics = classification.statistics
        return {
            **{f"PIXELS_{c.code}": str(statistics.pixels[c.code]) for c in ALL_CLASSES},
            **({"MEAN_CONFIDENCE": f"{mean:.2f}"} if (mean := statistics.mean_confidence) is not None else {}),
            "NO_SOURCE_DATA": str(statistics.no_source_data),
            "HIDDEN": str(statistics.hidden),
            "IMPOSSIBLE_DN": str(statistics.impossible),
            "NO_VOTE": str(statistics.no_vote),
        }

    # In a map of positions the confidence differs from pixel to pixel, so strong compression hardly saves space.
    level = 1 if classification.positions else 6
    writers = [
        RasterWriter(path, class_cog(path, grid, tags), pixel_tags),
        RasterWriter(confidence, confidence_cog(confidence, grid, tags, level), dict),
    ]
    if classification.positions:
        cells = grid.coarsened(classification.window_grid.stride)
        writers.append(RasterWriter(probabilities, probability_cog(probabilities, cells, tags), dict))
    with run_writers(*writers) as (classes, percent, *per_class):
        for block in classification.blocks():
            classes.put(block.window, block.classes)
            percent.put(block.window, block.confidence)
            if block.probabilities:
                per_class[0].put(block.probabilities.window, block.probabilities.values)
            if progress:
                progress(int(block.window.row_off + block.window.height), grid.height)
    entries = class_entries(classification.statistics.pixels, grid.pixel_area)
    write_legend(entries, pam_file(path), style_file(path))
    classification.statistics.stages.add("write", sum(writer.write_seconds for writer in writers))
    classification.statistics.stages.add("cog", sum(writer.finish_seconds for writer in writers))
    wrong = [writer.path.name for writer in writers if not writer.is_verified]
    if wrong:
        raise StoreError(
            f"the pixels in {' and '.join(wrong)} differ from the computed ones",
            item=classification.stack.item,
            asset="class_raster",
            remedy="check the disk, then run it again",
        )
