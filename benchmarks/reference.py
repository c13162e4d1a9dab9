"""The reference application's method, written plainly by us, to measure against. Not used by the product.

What it does to one tile: bring each coarse band to 10 m as a file of full size, read all twelve bands into memory, cut
the tile into chips of 64 px, classify them one by one with one model call each, paint each chip in its class, write the
map. Timed on some chips only and extrapolated: every chip costs the same.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.keras_file import DEFAULT_BACKEND
from lc_assets.inference.loading import read_contract
from lc_assets.sentinel2.band_table import BANDS, PIXEL_SIZE, REFERENCE_BAND

CHIP = 64
CLASSIC = "classic"


@dataclass(frozen=True)
class ReferenceTimes:
    """Seconds of the reference's method.

    Attributes:
        resample: coarse bands to files of full size.
        read: all bands into memory.
        classify: all chips, extrapolated, by network.
        write: the map.
        measured, chips: chips that were timed, and chips in all.
    """

    resample: float
    read: float
    classify: dict[str, float]
    write: float
    measured: int
    chips: int

    def total(self, network: str = CLASSIC) -> float:
        """The whole method with one of `networks`."""
        return self.resample + self.read + self.classify[network] + self.write


def networks() -> dict[str, Any]:
    """What is called chip by chip: a network of the reference's kind and size, and the shipped model.

    The classic one is the small convolutional network of Keras' own examples on chips of 64 px, as most EuroSAT
    tutorials have it: 105 million multiply-adds a chip. Its weights are random: time does not depend on them.
    """
    os.environ.setdefault("KERAS_BACKEND", DEFAULT_BACKEND)
    import keras
    from keras import layers

    classic = keras.Sequential(
        [
            keras.Input((CHIP, CHIP, len(BANDS))),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(len(CLASS_NAMES), activation="softmax"),
        ]
    )
    _, weights = read_contract(SHIPPED)
    return {CLASSIC: classic, "shipped": keras.saving.load_model(weights, compile=False)}


def time_reference(tile: Path, work: Path, measured: int) -> ReferenceTimes:
    """Run the method on a folder of band files; `measured` chips are classified, the rest is extrapolated."""
    work.mkdir(parents=True, exist_ok=True)
    clock = time.perf_counter
    with rasterio.open(tile / f"{REFERENCE_BAND}.tif") as reference:
        shape, profile = reference.shape, reference.profile
    start = clock()
    paths = [tile / f"{b.name}.tif" if b.gsd == PIXEL_SIZE else _resampled(tile, work, b.name, shape) for b in BANDS]
    resample = clock() - start
    start = clock()
    stack = np.empty((len(paths), *shape), np.uint16)
    for layer, path in zip(stack, paths, strict=True):
        with rasterio.open(path) as dataset:
            dataset.read(1, out=layer)
    read = clock() - start
    classes = np.zeros(shape, np.uint8)
    corners = [
        (row, column) for row in range(0, shape[0] - CHIP + 1, CHIP) for column in range(0, shape[1] - CHIP + 1, CHIP)
    ]
    # From the middle of the tile: its first rows lie in the corner without data.
    middle = corners[len(corners) // 2 :][:measured]
    seconds = {}
    for name, network in networks().items():
        network.predict(_prepared(stack[:, :CHIP, :CHIP]), verbose=0)  # compiled before the clock starts
        start = clock()
        for row, column in middle:
            chip = _prepared(stack[:, row : row + CHIP, column : column + CHIP])
            classes[row : row + CHIP, column : column + CHIP] = network.predict(chip, verbose=0).argmax()
        seconds[name] = (clock() - start) * len(corners) / len(middle)
    start = clock()
    profile.update(driver="GTiff", dtype="uint8", count=1, compress="deflate", nodata=None)
    with rasterio.open(work / "map.tif", "w", **profile) as dataset:
        dataset.write(classes, 1)
    write = clock() - start
    return ReferenceTimes(resample, read, seconds, write, len(middle), len(corners))


def _resampled(tile: Path, work: Path, name: str, shape: tuple[int, int]) -> Path:
    """A band at 10 m as a COG of full size."""
    plain, final = work / f"{name}.work.tif", work / f"{name}.tif"
    with rasterio.open(tile / f"{name}.tif") as source:
        values = source.read(1, out_shape=shape, resampling=Resampling.bilinear)
        profile = {"driver": "GTiff", "crs": source.crs, "dtype": "uint16", "count": 1}
        transform = source.transform @ source.transform.scale(source.width / shape[1], source.height / shape[0])
    with rasterio.open(plain, "w", **profile, width=shape[1], height=shape[0], transform=transform) as target:
        target.write(values, 1)
    rasterio.shutil.copy(str(plain), str(final), driver="COG", compress="deflate")
    plain.unlink()
    return final


def _prepared(chip: np.ndarray) -> np.ndarray:
    """One chip (bands, rows, columns) as a batch of reflectances, channels last."""
    return (chip.transpose(1, 2, 0).astype(np.float32) / 10_000)[None]
