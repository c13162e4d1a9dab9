"""Pictures of a comparison. They are small, because Dagster's event log stores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lc_assets.products.agreement.compare import AGREE, COLOURS, DISAGREE, LEGEND, Comparison
from lc_assets.raster.charts import matrix_chart
from lc_assets.raster.render import read_codes_for_display, with_legend

SIDE = 480
"""Largest width of a picture, in pixels."""
_MAP_SIDE = 340


def disagreement_picture(raster: Path, compared: Comparison) -> bytes:
    """Return a PNG of the disagreement raster. Its legend has the percentages that agree and disagree."""
    codes, pixel_size = read_codes_for_display(raster, _MAP_SIDE)
    agree = compared.full.overall.value
    shares = {} if agree is None else {AGREE: f"  {100 * agree:.1f} %", DISAGREE: f"  {100 - 100 * agree:.1f} %"}
    lines = [(COLOURS[code], f"{name}{shares.get(code, '')}") for code, name in LEGEND.items()]
    return with_legend(disagreement_image(codes), lines, pixel_size)


def disagreement_image(codes: np.ndarray) -> Image.Image:
    """Convert (rows, columns) codes of a disagreement raster to an RGB image."""
    lookup = np.zeros((256, 3), np.uint8)
    for code, rgb in COLOURS.items():
        lookup[code] = rgb
    return Image.fromarray(lookup[codes])


def matrix_picture(compared: Comparison) -> bytes:
    """Return a PNG of the error matrix over all scored pixels, in percent of the scored area.

    Rows are groups of the map, columns are groups of the reference.
    """
    matrix = compared.matrix
    shares = 100 * matrix / max(int(matrix.sum()), 1)
    cells = [[f"{share:.1f}" if share >= 0.05 else "" for share in row] for row in shares.tolist()]
    return matrix_chart(matrix, cells, compared.crosswalk.groups, "map (rows), reference (columns), % of area", SIDE)
