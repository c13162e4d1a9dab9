"""Classify a stack in memory with the code of the pipeline, for evaluation and for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from lc_assets.core.errors import BadModel
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.inference.windows.grid import DEFAULT_STRIDE
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BAND_NAMES, PIXEL_SIZE
from lc_assets.sentinel2.bands.rows import Part, flag_pixels
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.bands.strip_reader import Strip
from lc_assets.sentinel2.bands.validity import Sources, cells_of, ending_cells, settled_state

MIN_SIDE = 64


@dataclass(frozen=True)
class StackClasses:
    """The class map of a stack.

    Attributes:
        classes: (height, width) uint8 class codes, 10 for No Data.
        confidence: (height, width) uint8 percent, 255 for No Data.
    """

    classes: np.ndarray
    confidence: np.ndarray


class ArrayStrips:
    """A source of strips in memory, with the interface of `StripReader`.

    Args:
        stack: (height, width, 12) uint16 DN, offset removed.
        reach: see `Strip`.
    """

    def __init__(self, stack: np.ndarray, reach: int) -> None:
        height, width, _ = self.shape = stack.shape
        parts = []
        for band in range(len(BAND_NAMES)):
            dn = stack[..., band].copy(order="C")
            flags = flag_pixels(dn)
            parts.append(Part(1, 0, dn, flags))
        sources = Sources(0, height, 0, width, tuple(parts), None, None)
        ending = np.zeros((0, 0), bool)
        if any(part.flags is not None for part in parts):
            ending = ending_cells(*cells_of(sources))
        state = settled_state(sources, lambda: ending, mask_hidden=False, dilation=0)
        self._strip = Strip((height, width), sources.bands, 0, state, reach)

    def __enter__(self) -> ArrayStrips:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def read(self, top: int, bottom: int) -> Strip:
        """Return all rows, because they are in memory."""
        return self._strip


def classify_stack(stack: np.ndarray, product_level: str, model: str | Path | Engine | None = None) -> StackClasses:
    """Classify every pixel of a stack.

    Args:
        stack: (height, width, 12) uint16 DN at 10 m in the band table's order, radiometric offset removed, at least 64
            pixels a side. A pixel with 0 in all bands has no data; a 0 in some bands only is interpreted as in the
            pipeline (`lc_assets.sentinel2.bands.validity`).
        product_level: `L1C` or `L2A`.
        model: a model's `.json`, its `.keras` or their folder, or an engine; the shipped model by default.

    Raises:
        BadModel: the stack's shape or data type is wrong, or the model was not made for this product level.
    """
    # Always float32, so that the figures of a model card are the same on every machine.
    engine = model if isinstance(model, Engine) else open_model(model or SHIPPED, "float32")
    contract = engine.contract
    shape = np.shape(stack)
    if len(shape) != 3 or shape[2] != len(BAND_NAMES) or min(shape[:2]) < MIN_SIDE:
        raise BadModel(
            f"the stack has the shape {shape}, but (height, width, {len(BAND_NAMES)}) is required, with at least "
            f"{MIN_SIDE} pixels a side",
            asset=f"model {contract.name}",
            remedy=f"pass all {len(BAND_NAMES)} bands as the last axis, in the order {' '.join(BAND_NAMES)}",
        )
    if stack.dtype != np.uint16:
        raise BadModel(
            f"the stack has the type {stack.dtype}, but uint16 is required",
            asset=f"model {contract.name}",
            remedy="pass DN (reflectance * 10000), offset removed, as uint16",
        )
    height, width, _ = shape
    grid = Grid("EPSG:32633", Affine(PIXEL_SIZE, 0, 0, 0, -PIXEL_SIZE, 0), width, height)
    scene = Stack("array", Path("array"), None, grid, product_level, "", 0, contract.resampling)
    classification = Classification(
        scene,
        engine,
        DEFAULT_STRIDE if contract.chip_size % DEFAULT_STRIDE == 0 else contract.chip_size,
        source=lambda reach: ArrayStrips(stack, reach),
    )
    blocks = list(classification.blocks())
    return StackClasses(np.concatenate([b.classes for b in blocks]), np.concatenate([b.confidence for b in blocks]))
