"""Measure the fusion of several dates of a full tile into one map: `make bench`, or alone:

    python -m benchmarks.season_map [DATES]

The maps of the scenes are random, with clouds over a third of each: their content makes no difference to the time. The
limit is measured apart: reading all rasters of the scenes once, and writing the rasters of the map from memory. All of
it takes some minutes, most of them to write the scenes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.products.season_map.fusion import STABILITY_NODATA
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.cog import (
    PROBABILITY_SCALE,
    class_cog,
    confidence_cog,
    number_cog,
    probability_cog,
    read_blocks,
)
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import Store
from lc_assets.store.season_layout import MapLayout

SIDE, STEP, PART = 10_980, 4, 60
GRID = Grid("EPSG:32633", Affine(10, 0, 399_960, 0, -10, 6_200_040), SIDE, SIDE)
DATES = 6


def main() -> None:
    """Print the figures."""
    from benchmarks.watch import measured

    dates = int(sys.argv[1]) if len(sys.argv) > 1 else DATES
    with tempfile.TemporaryDirectory() as folder:
        found = measured("season_map", folder, dates)
    print(f"{dates} dates of {SIDE} x {SIDE} px: {found['seconds']:.1f} s, {found['cpu']:.1f} CPU seconds")
    print(f"peak of the memory, that of writing the scenes included: {found['peak'] / 1e9:.2f} GB")
    print(f"limit: reading {found['reading']:.1f} s, writing {found['writing']:.1f} s")
    print(f"share of the limit: {(found['reading'] + found['writing']) / found['seconds']:.0%}")


def measure(folder: Path, dates: int) -> dict[str, Any]:
    """Fuse random scenes into a map of the whole tile.

    Args:
        folder: folder for the store.
        dates: number of scenes.

    Returns:
        `seconds` and `cpu` of the fusion, and seconds of the parts of the limit, `reading` and `writing`.
    """
    store = Store.at(folder / "store")
    items = [_write_scene(store, number) for number in range(dates)]
    area = Polygons(("tile",), np.array([shapely.box(*GRID.bounds)]), GRID.crs)
    started, cpu = time.perf_counter(), time.process_time()
    layout = make_season_map(store, "tile", area, items).layout
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "reading": _read(store, items), "writing": _write(layout, folder)}


def _read(store: Store, items: list[str]) -> float:
    """Return the seconds that reading all rasters of the scenes takes."""
    started = time.perf_counter()
    for item in items:
        scene = store.scene(item)
        for path, bands in ((scene.classified, 1), (scene.probabilities, [*range(1, len(CLASSES) + 1)])):
            for _ in read_blocks(str(path), bands=bands):
                pass
    return time.perf_counter() - started


def _write(layout: MapLayout, folder: Path) -> float:
    """Return the seconds that writing the rasters of a map takes."""
    spent = 0.0
    for source, cog in (
        (layout.classified, lambda path: class_cog(path, GRID, {})),
        (layout.confidence, lambda path: confidence_cog(path, GRID, {})),
        (layout.observations, lambda path: number_cog(path, GRID, {}, "", None)),
        (layout.stability, lambda path: number_cog(path, GRID, {}, "", STABILITY_NODATA)),
        (layout.probabilities, lambda path: probability_cog(path, GRID.coarsened(STEP), {})),
    ):
        with rasterio.open(str(source)) as dataset:
            values = dataset.read()
        started = time.perf_counter()
        with cog(folder / "again.tif") as dataset:
            dataset.write(values)
        spent += time.perf_counter() - started
    return spent


def _write_scene(store: Store, number: int) -> str:
    """Write the map of a scene: a random part of 600 m, repeated, and clouds in patches of 600 m."""
    item = f"S2B_MSIL2A_2024{5 + number // 28:02}{1 + number % 28:02}T103629_R008_T33UUB_20240501T14000{number % 10}"
    rng = np.random.default_rng(number)
    logits = 3 * rng.normal(size=(len(CLASSES), PART // STEP, PART // STEP))
    part = np.exp(logits) / np.exp(logits).sum(axis=0)
    cells = np.tile(np.rint(part / PROBABILITY_SCALE).astype(np.uint8), (1, SIDE // PART, SIDE // PART))
    codes = cells.argmax(axis=0).astype(np.uint8).repeat(STEP, axis=0).repeat(STEP, axis=1)
    cloud = rng.random((SIDE // PART, SIDE // PART)) < 1 / 3
    codes[cloud.repeat(PART, axis=0).repeat(PART, axis=1)] = 10
    tags = {
        "ITEM_ID": item,
        "WINDOW": "0",
        "STRIDE": str(STEP),
        "SCL_MASK": "yes",
        "MODEL": "benchmark 1",
        "MODEL_SHA256": "0" * 64,
        "MODEL_FINGERPRINT": "benchmark",
        **{f"PIXELS_{c.code}": "0" for c in ALL_CLASSES},
    }
    scene = store.scene(item)
    folder = Path(str(scene.folder))
    folder.mkdir(parents=True)
    with class_cog(Path(str(scene.classified)), GRID, tags) as dataset:
        dataset.write(codes, 1)
    Path(str(scene.confidence)).write_bytes(Path(str(scene.classified)).read_bytes())
    with probability_cog(Path(str(scene.probabilities)), GRID.coarsened(STEP), tags) as dataset:
        dataset.write(cells)
    document = {"id": item, "geometry": None, "properties": {"datetime": "2024-05-01T10:36:29Z"}}
    registered = Path(str(store.registered(item)))
    registered.parent.mkdir(exist_ok=True)
    registered.write_text(json.dumps(document), encoding="utf-8")
    return item


if __name__ == "__main__":
    main()
