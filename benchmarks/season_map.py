"""Measure the fusion of several dates of a full tile into one map.

    python -m benchmarks.season_map [DATES]

The maps of the scenes are random, with clouds over a third of each: their content makes no difference to the time. Two
stages are measured apart as the limit: reading all rasters once, and writing the map's rasters. It takes some minutes,
most of them to write the scenes.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.cog import PROBABILITY_SCALE, class_cog, probability_cog, read_blocks
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import Store

SIDE, STEP, PART = 10_980, 4, 60
GRID = Grid("EPSG:32633", Affine(10, 0, 399_960, 0, -10, 6_200_040), SIDE, SIDE)


def main() -> None:
    """Print the table."""
    dates = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder) / "store")
        items = [_write_scene(store, number) for number in range(dates)]
        started = time.perf_counter()
        for item in items:
            scene = store.scene(item)
            for path, bands in ((scene.classified, 1), (scene.probabilities, [*range(1, len(CLASSES) + 1)])):
                for _ in read_blocks(str(path), bands=bands):
                    pass
        reading = time.perf_counter() - started
        area = Polygons(("tile",), np.array([shapely.box(*GRID.bounds)]), GRID.crs)
        started, cpu = time.perf_counter(), time.process_time()
        made = make_season_map(store, "tile", area, items)
        whole, cpu = time.perf_counter() - started, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{dates} dates of {SIDE} x {SIDE} px: {whole:.1f} s, {cpu:.1f} CPU seconds, peak {peak:.2f} GB")
        print(f"reading all rasters once: {reading:.1f} s ({100 * reading / whole:.0f} % of it)")
        with rasterio.open(str(made.layout.observations)) as dataset:
            print(f"mean number of dates of a pixel: {dataset.read(1, out_shape=(549, 549)).mean():.2f}")


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
