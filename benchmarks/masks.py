"""Measure the effect of masked specks and of haze around clouds on the map, for the figures in docs/concepts.md.

    python -m benchmarks.masks

The scene is the demo scene, whose classes are known, with more masked pixels, or with clouds whose haze decreases
exponentially. The share of correct pixels refers to the mapped pixels. The map is one of positions, in float32. It
takes two minutes on two cores.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import rasterio
from scipy import ndimage

from lc_assets.core.landcover import NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.demo.item_json import TRUTH
from lc_assets.demo.scene import write_demo_scene
from lc_assets.demo.sky import CLOUD_DN
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BANDS, SCL, SCL_GSD
from lc_assets.sentinel2.bands.stack import SCL_VRT, STACK_VRT, Stack, StackRecipe, vrt_documents
from lc_assets.sentinel2.bands.verify import check_band_files
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.sentinel2.radiometry import NODATA_DN, OFFSET_DN

_CLOUD = 9
_FALL_OFF = 60.0
"""Metres over which the haze decreases by a factor of e."""
_HAZE, _CORE = 0.4, 0.9
"""Opacity at the border of a cloud and inside it."""
_NEAR = 200
"""Distance to clouds in metres, within which the second table counts pixels."""

_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64))
"""Result of `nearest_visible` if no pixel is filled."""

Change = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        item = write_demo_scene(Path(name))
        truth = _read(item.with_name(f"{TRUTH}.tif"))
        _specks(item, truth, Path(name))
        _halos(item, truth, Path(name))


def _specks(item: Path, truth: np.ndarray, folder: Path) -> None:
    print(f"{'mask':<24}{'shown as 0':>12}{'nearest neighbour':>20}   percent correct")
    for side in (1, 3):
        for share in (0.0, 0.02, 0.05, 0.1, 0.2) if side == 1 else (0.05, 0.1, 0.2):

            def spoil(scl: np.ndarray, side: int = side, share: float = share) -> np.ndarray:
                squares = np.random.default_rng(1).random([-(-n // side) for n in scl.shape]) < share
                hidden = squares.repeat(side, 0).repeat(side, 1)[: scl.shape[0], : scl.shape[1]]
                return np.where(hidden & (scl != NODATA_DN), _CLOUD, scl)

            stack = _stack(item, folder / "specks", {SCL: spoil})
            with mock.patch("lc_assets.sentinel2.bands.strip_reader.nearest_visible", return_value=_NOTHING):
                before = _percent_correct(_classes(stack, 0), truth)
            after = _percent_correct(_classes(stack, 0), truth)
            print(f"{f'{side * SCL_GSD} m over {share:.0%}':<24}{before:>12.1f}{after:>20.1f}")


def _halos(item: Path, truth: np.ndarray, folder: Path) -> None:
    core = _clouds(_read(item.with_name(f"{SCL}.tif")))
    distance = ndimage.distance_transform_edt(~core.repeat(2, 0).repeat(2, 1)) * 10
    opacity = np.where(distance == 0, _CORE, _HAZE * np.exp(-distance / _FALL_OFF))

    def hazy(factor: int, bright: float) -> Change:
        rows, columns = (n // factor for n in opacity.shape)
        share = opacity.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
        return lambda dn: np.where(dn == NODATA_DN, dn, np.rint(dn + (bright - OFFSET_DN - dn) * share))

    changes: dict[str, Change] = {
        band.name: hazy(band.factor, float(bright)) for band, bright in zip(BANDS, CLOUD_DN, strict=True)
    }
    stack = _stack(item, folder / "halos", {**changes, SCL: lambda scl: np.where(core, _CLOUD, scl)})
    near = (distance > 0) & (distance <= _NEAR)
    print(f"\n{'dilation':<12}{'correct':>8}{f'correct within {_NEAR} m':>22}{'No Data':>10}   percent")
    for metres in (0, 20, 40, 60, 100, 140):
        classes = _classes(stack, metres)
        around = _percent_correct(np.where(near, classes, NO_DATA.code), truth)
        correct, empty = _percent_correct(classes, truth), (classes == NO_DATA.code).mean()
        print(f"{f'{metres} m':<12}{correct:>8.1f}{around:>22.1f}{empty:>10.1%}")


def _clouds(scl: np.ndarray) -> np.ndarray:
    """Return a bool mask of fourteen round clouds with radii of 120 to 580 m, in pixels of 20 m."""
    rng, core = np.random.default_rng(5), np.zeros(scl.shape, bool)
    row, column = np.mgrid[: scl.shape[0], : scl.shape[1]]
    for _ in range(14):
        y, x, radius = rng.integers(0, scl.shape[0]), rng.integers(0, scl.shape[1]), rng.integers(6, 30)
        core |= (row - y) ** 2 + (column - x) ** 2 < radius**2
    return core & (scl != NODATA_DN)


def _stack(item: Path, folder: Path, changes: dict[str, Change]) -> Stack:
    """Copy a scene, change some of its rasters, and return its band stack."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(item.parent, folder)
    for name, change in changes.items():
        with rasterio.open(folder / f"{name}.tif") as dataset:
            values, profile = dataset.read(1), {"crs": dataset.crs, "transform": dataset.transform, "driver": "GTiff"}
        profile |= {"width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": values.dtype}
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as dataset:
            dataset.write(change(values).astype(values.dtype), 1)
    path = folder / item.name
    scene = parse_scene(read_document(path), base=path)
    files = check_band_files({band: Path(href) for band, href in scene.hrefs.items()}, scene.id)
    recipe = StackRecipe(scene.id, files, scene.product_level, scene.baseline, scene.offset)
    for name, document in vrt_documents(recipe, scene.hrefs).items():
        (folder / name).write_text(document, encoding="utf-8")
    return Stack.open(folder / STACK_VRT, folder / SCL_VRT, scene.id)


def _classes(stack: Stack, dilation: int) -> np.ndarray:
    engine = open_model(SHIPPED, "float32")
    blocks = Classification(stack, engine, 8, mask_dilation=dilation).blocks()
    return np.concatenate([block.classes for block in blocks])


def _percent_correct(classes: np.ndarray, truth: np.ndarray) -> float:
    """Return the percentage of correct pixels."""
    known = (classes != NO_DATA.code) & (truth != NO_DATA.code)
    return float((classes == truth)[known].mean() * 100)


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        values: np.ndarray = dataset.read(1)
    return values


if __name__ == "__main__":
    main()
