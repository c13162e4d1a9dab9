"""The report's pictures: their quality and size, and the means of their cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling

from lc_assets.products.pages.layers import build_layers, cell_means
from lc_assets.raster.cog import CONFIDENCE_NODATA, confidence_cog
from lc_assets.raster.grid import Grid
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.products.pages.report_page import opened


@pytest.mark.parametrize("share", [0.9, 0.6, 0.2])
def test_quality_is_reduced_before_resolution(scene: SceneLayout, share: float) -> None:
    parts = opened(scene)
    best = build_layers(*parts)
    assert best.degradations == []
    max_bytes = int(share * sum(best.sizes.values()))
    small = build_layers(*parts, max_bytes=max_bytes)
    assert sum(small.sizes.values()) <= max_bytes
    assert small.quality < best.quality or small.confidence_step > 1 or small.false_colour_coarser > 1
    assert (small.coarsened > 1) == (share < 0.5)
    assert small.factor == small.coarsened


@pytest.mark.parametrize("levels", [[], [2, 4, 8]])
def test_cells_are_means_of_exactly_their_pixels_also_at_the_edge(tmp_path: Path, levels: list[int]) -> None:
    """Like 10980, 724 is a multiple of 4 and not of 8, so the pixels of level 8 are not aligned."""
    draw = np.random.default_rng(5)
    pixels = draw.integers(1, 5000, (724, 732), "uint16")
    # Levels are averages, so a cell's mean is exact in them only if the cell is completely empty or completely full.
    cells = np.repeat(np.repeat(draw.random((91, 92)), 8, axis=0), 8, axis=1)[:724, :732]
    pixels[(cells if levels else draw.random((724, 732))) < 0.2] = 0
    pixels[-4:, -4:] = 0
    path = tmp_path / "band.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "nodata": 0, "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile, height=724, width=732, transform=Affine(10, 0, 0, 0, -10, 0)) as dataset:
        dataset.write(pixels, 1)
        dataset.build_overviews(levels, Resampling.average)
    means = cell_means(path, 8, 0, "item")
    padded = np.pad(pixels, ((0, 4), (0, 4))).reshape(91, 8, 92, 8).astype(float)
    counts = (padded > 0).sum(axis=(1, 3))
    expected = np.divide(padded.sum(axis=(1, 3)), counts, out=np.zeros(counts.shape), where=counts > 0)
    assert np.abs(means - expected).max() <= (1.5 if levels else 0.5)
    assert ((means == 0) == (counts == 0)).all()


def test_a_bright_pixel_is_in_its_cell_also_in_the_last_row(tmp_path: Path) -> None:
    size = 10980 // 4
    pixels = np.full((size, size), 50, np.uint8)
    pixels[-1, -1] = pixels[size // 2, size - 2] = 100
    path = tmp_path / "confidence.tif"
    with confidence_cog(path, Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 0), size, size), {}) as dataset:
        dataset.write(pixels, 1)
    means = cell_means(path, 2, CONFIDENCE_NODATA, "item")
    assert [tuple(map(int, place)) for place in np.argwhere(means > 55)] == [
        (size // 4, (size - 2) // 2),
        (size // 2, size // 2),
    ]
