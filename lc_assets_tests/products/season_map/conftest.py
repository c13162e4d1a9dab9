"""Seasons of synthetic scene maps: one landscape, seen on several dates through clouds and noise, in tiles of any
zone. Their probabilities are written as `class_raster` writes them; nothing is classified."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import Resampling, reproject, transform_bounds, transform_geom
from scipy import ndimage

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.inference.positions.interpolate import interpolate
from lc_assets.raster.cog import PROBABILITY_NODATA, PROBABILITY_SCALE, class_cog, confidence_cog, probability_cog
from lc_assets.raster.grid import Grid
from lc_assets.store.layout import Store

STEP = 4
ZONE_32 = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_700_000), 240, 200)
"""The ground of the landscape."""


def landscape(grid: Grid = ZONE_32, seed: int = 1) -> np.ndarray:
    """Return class codes at 10 m, in patches of about 150 m."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(len(CLASSES), *grid.shape)), (0, 6, 6))
    return noise.argmax(axis=0).astype(np.uint8)


@dataclass
class Season:
    """A store, and how scenes get into it."""

    store: Store
    truth: np.ndarray

    def add(
        self,
        item: str,
        *,
        seed: int,
        grid: Grid = ZONE_32,
        cloud: np.ndarray | None = None,
        noise: float = 1.0,
        when: str = "2024-06-01T10:30:00Z",
        model: str = "f" * 8,
        **properties: object,
    ) -> np.ndarray:
        """Write the map of a scene; `cloud` (height, width) bool hides pixels. Returns its class codes."""
        rng = np.random.default_rng(seed)
        truth = np.full(grid.shape, 0, np.uint8)
        reproject(
            self.truth,
            truth,
            src_transform=ZONE_32.transform,
            src_crs=ZONE_32.crs,
            dst_transform=grid.transform,
            dst_crs=grid.crs,
            resampling=Resampling.nearest,
        )
        rows, columns = grid.height // STEP, grid.width // STEP
        ones = np.eye(len(CLASSES), dtype=np.float32)[truth]
        share = ones.reshape(rows, STEP, columns, STEP, -1).mean((1, 3)).transpose(2, 0, 1)
        logits = 2.5 * share + noise * rng.normal(size=share.shape)
        found = np.exp(logits - logits.max(0))
        found = (found / found.sum(0)).astype(np.float32)
        rim = np.pad(found, ((0, 0), (1, 1), (1, 1)), "edge")
        codes, percent = interpolate(rim, np.ones(rim.shape[1:], bool), STEP)
        half = STEP // 2
        codes, percent = codes[half:-half, half:-half].copy(), percent[half:-half, half:-half].copy()
        if cloud is not None:
            codes[cloud], percent[cloud] = 10, 255
        tags = {
            "ITEM_ID": item,
            "WINDOW": "0",
            "STRIDE": str(STEP),
            "SCL_MASK": "yes",
            "MODEL": "test 1",
            "MODEL_SHA256": "0" * 64,
            "MODEL_FINGERPRINT": model,
            **{f"PIXELS_{c.code}": str(int((codes == c.code).sum())) for c in ALL_CLASSES},
        }
        layout = self.store.scene(item)
        folder = Path(str(layout.folder))
        folder.mkdir(parents=True)
        stored = np.rint(found / PROBABILITY_SCALE).astype(np.uint8)
        assert (stored != PROBABILITY_NODATA).all()
        for cog, path, its, values in (
            (class_cog, layout.classified, grid, codes[None]),
            (confidence_cog, layout.confidence, grid, percent[None]),
            (probability_cog, layout.probabilities, grid.coarsened(STEP), stored),
        ):
            with cog(Path(str(path)), its, tags) as dataset:
                dataset.write(values)
        box = transform_bounds(grid.crs, "OGC:CRS84", *grid.bounds)
        left, bottom, right, top = grid.bounds
        ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
        shape = json.loads(
            json.dumps(transform_geom(grid.crs, "OGC:CRS84", {"type": "Polygon", "coordinates": [ring]}))
        )
        document = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": item,
            "bbox": list(box),
            "geometry": shape,
            "properties": {"datetime": when, **properties},
            "links": [],
            "assets": {},
        }
        registered = Path(str(self.store.registered(item)))
        registered.parent.mkdir(exist_ok=True)
        registered.write_text(json.dumps(document))
        return codes


@pytest.fixture
def season(tmp_path: Path) -> Season:
    """An empty store and a landscape."""
    return Season(Store.at(tmp_path / "store"), landscape())


Clouds = Callable[[int], np.ndarray]


@pytest.fixture(scope="session")
def clouds() -> Clouds:
    """A function of a seed that returns clouds over a third of the ground."""

    def draw(seed: int) -> np.ndarray:
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=ZONE_32.shape), 12)
        found: np.ndarray = noise > np.quantile(noise, 0.66)
        return found

    return draw
