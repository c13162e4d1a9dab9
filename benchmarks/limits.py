"""Lower bounds of the time that this machine needs for each step.

Each step uses all cores, so an overlap of the steps saves no time, and the bounds can be added.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import rasterio
from openvino import Type
from openvino import opset13 as ov

from lc_assets.core.checksum import sha256_of
from lc_assets.core.cpu import cpu_count
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.loading import open_model
from lc_assets.inference.openvino_runtime import compile_graph, streams
from lc_assets.inference.windows.strips import BLOCK_PIXELS
from lc_assets.raster.cog import class_cog, confidence_cog, probability_cog
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS
from lc_assets.store.layout import SceneLayout
from lc_assets.training.network import multiply_adds_per_pixel

SECONDS = 4.0
"""Seconds of the measurement of a rate."""
MATRIX = 4096
STRIP = 512


def checksum(tile: Path) -> float:
    """Return the seconds to read the twelve files once and compute their SHA-256, one file per thread."""
    return _seconds_of_bands(lambda name: sha256_of(tile / f"{name}.tif"))


def decode(tile: Path) -> float:
    """Return the seconds to decode the twelve bands once, one file per thread."""

    def one(name: str) -> None:
        with rasterio.open(tile / f"{name}.tif") as dataset:
            for window in Grid.of(dataset).strips(STRIP):
                dataset.read(1, window=window)

    return _seconds_of_bands(one)


def _seconds_of_bands(one: Callable[[str], object]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(one, [band.name for band in sorted(BANDS, key=lambda band: band.gsd)]))
    return time.perf_counter() - started


def write_cogs(scene: SceneLayout, target: Path) -> float:
    """Return the seconds to write the three rasters of a map again, with compression and overviews, from memory."""
    spent = 0.0
    for source, cog in (
        (scene.classified, class_cog),
        (scene.confidence, confidence_cog),
        (scene.probabilities, probability_cog),
    ):
        if not source.exists():
            continue  # a map of windows has no probabilities
        with rasterio.open(str(source)) as dataset:
            grid, values = Grid.of(dataset), dataset.read()
        started = time.perf_counter()
        with cog(target, grid, {}) as written:
            for window in grid.strips(STRIP):
                written.write(values[:, window.row_off : window.row_off + window.height], window=window)
        spent += time.perf_counter() - started
    return spent


def matrix_rate(precision: str) -> float:
    """Return the multiply-adds per second of a large matrix product in OpenVINO."""
    rng = np.random.default_rng(0)
    given = ov.parameter([MATRIX, MATRIX], Type.f32)
    product = ov.matmul(given, rng.standard_normal((MATRIX, MATRIX), np.float32), False, False)
    # Only the maximum of the product is returned, so that no time is spent on a copy of the product.
    graph = openvino.Model([ov.reduce_max(product, np.array([0, 1]))], [given], "product")
    run = compile_graph(graph, precision)
    inputs = [rng.standard_normal((MATRIX, MATRIX), np.float32)]
    return MATRIX**3 / _seconds_per_call(lambda _: run(inputs))


def network(precision: str, side: int) -> tuple[float, float]:
    """Return the seconds of the network alone for a tile, from blocks in memory, and its multiply-adds."""
    engine = open_model(SHIPPED, precision)
    passes = engine.dense
    assert passes
    shape = (len(BANDS), *BLOCK_PIXELS)
    rng = np.random.default_rng(0)
    usable = np.ones(shape[1:], bool)
    blocks = [rng.integers(1, 4000, shape).astype(np.uint16) for _ in range(streams())]
    per_block = _seconds_per_call(lambda stream: passes.backbone(blocks[stream], usable, 0))
    reach = engine.contract.chip_size - passes.geometry.stride * passes.geometry.map_side
    fresh = (shape[1] - reach) * (shape[2] - reach)
    return per_block * side**2 / fresh, multiply_adds_per_pixel() * side**2


def _seconds_per_call(call: Callable[[int], object]) -> float:
    """Return the seconds per call if all streams call without a pause. `call` gets the number of its stream."""
    for stream in range(streams()):
        call(stream)

    def work(stream: int) -> int:
        done, end = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            call(stream)
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(streams()) as pool:
        done = sum(pool.map(work, range(streams())))
    return (time.perf_counter() - started) / done
