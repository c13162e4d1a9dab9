"""Our implementation of the reference application's method, for comparison only.

The method resamples each coarse band to a file at 10 m, reads all twelve bands into memory, cuts the tile into chips
of 64 px, classifies each chip with one model call, gives all its pixels the class of the chip, and writes the map.
Only some chips are timed, and the time is extrapolated, because every chip takes the same time.
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
        resample: to resample the coarse bands.
        read: to read all bands into memory.
        classify: network -> to classify all chips, extrapolated.
        write: to write the map.
        measured, chips: number of timed chips, and of all chips.
    """

    resample: float
    read: float
    classify: dict[str, float]
    write: float
    measured: int
    chips: int

    def total(self, network: str = CLASSIC) -> float:
        """Return the seconds of the whole method with one of `networks`."""
        return self.resample + self.read + self.classify[network] + self.write


def networks() -> dict[str, Any]:
    """Return the networks to time: one of the kind and size of the reference's network, and the shipped model.

    The classic network is the small convolutional network of Keras' examples and of most EuroSAT tutorials, on chips of
    64 px: 105 million multiply-adds per chip. Its weights are random, because the time does not depend on them.
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
    """Run the method on a folder of band files. Only `measured` chips are classified; the rest is extrapolated."""
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
    # Chips in the middle of the tile, because the first rows have no data.
    middle = corners[len(corners) // 2 :][:measured]
    seconds = {}
    for name, network in networks().items():
        network.predict(_prepared(stack[:, :CHIP, :CHIP]), verbose=0)  # compile the model before the measurement
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
    """Write a band at 10 m as a COG and return its path."""
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
    """Return a chip (bands, rows, columns) as a batch (1, rows, columns, bands) of reflectances."""
    return (chip.transpose(1, 2, 0).astype(np.float32) / 10_000)[None]
