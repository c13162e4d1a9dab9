"""Hectares of polygons are those of an independent count, and their interval covers what it says."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import geometry_mask

from lc_assets.products import areas
from lc_assets.products.areas import AreaTable, PolygonPixels, filled_cells, interval
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons

STEP = 4
GRID = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_700_000), 240, 200)
LEFT, BOTTOM, RIGHT, TOP = GRID.bounds


def block(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random codes with No Data, and random probabilities."""
    rng = np.random.default_rng(seed)
    found = rng.random((10, GRID.height // STEP, GRID.width // STEP)) ** 6
    return rng.integers(0, 11, GRID.shape).astype(np.uint8), (found / found.sum(axis=0)).astype(np.float32)


def parcels(across: int, down: int) -> list[shapely.Geometry]:
    """Irregular parcels that share their sides. Half of the corners are centres or corners of pixels."""
    rng = np.random.default_rng(3)
    x, y = np.meshgrid(np.linspace(LEFT, RIGHT, across + 1), np.linspace(TOP, BOTTOM, down + 1))
    x, y = x + rng.uniform(-20, 20, x.shape), y + rng.uniform(-20, 20, y.shape)
    even = rng.random(x.shape) < 0.5
    x, y = np.where(even, np.round(x / 5) * 5, x), np.where(even, np.round(y / 5) * 5, y)
    corners = ((0, 0), (0, 1), (1, 1), (1, 0))
    return [
        shapely.make_valid(shapely.Polygon([(x[r + a, c + b], y[r + a, c + b]) for a, b in corners]))
        for r in range(down)
        for c in range(across)
    ]


def overlapping() -> list[shapely.Geometry]:
    """Polygons over each other, twice the same, with holes, in parts, half outside, outside, and smaller than a
    pixel."""
    ring = (
        shapely.Point(LEFT + 900, BOTTOM + 900)
        .buffer(600)
        .difference(shapely.Point(LEFT + 900, BOTTOM + 950).buffer(280))
    )
    return [
        *(shapely.Point(LEFT + 150 * n, BOTTOM + 130 * n).buffer(310) for n in range(10)),
        *[shapely.box(LEFT + 405, BOTTOM + 405, LEFT + 1205, BOTTOM + 805)] * 2,
        ring,
        shapely.MultiPolygon(
            [
                shapely.box(LEFT + 5, TOP - 205, LEFT + 105, TOP - 5),
                shapely.box(LEFT + 105, TOP - 305, LEFT + 205, TOP - 5),
            ]
        ),
        shapely.box(LEFT - 500, BOTTOM - 500, LEFT + 222, BOTTOM + 333),
        shapely.box(RIGHT + 1, BOTTOM, RIGHT + 400, TOP),
        shapely.box(LEFT + 12, BOTTOM + 12, LEFT + 14, BOTTOM + 14),
    ]


@pytest.mark.parametrize(
    "shapes", [parcels(23, 17), overlapping(), [*parcels(9, 7), *overlapping()], overlapping()[:1]]
)
def test_polygons_have_the_pixels_of_an_independent_count(shapes: list[shapely.Geometry]) -> None:
    area = Polygons(tuple(map(str, range(len(shapes)))), np.array(shapes, object), GRID.crs)
    codes, probabilities = block()
    table = AreaTable.empty(len(area))
    table.add(AreaTable.of(PolygonPixels.of(area, GRID), codes, probabilities))
    low, high = interval(probabilities)
    masks = [geometry_mask([shape], GRID.shape, GRID.transform, invert=True) for shape in shapes]
    for row, inside in enumerate([*masks, np.any(masks, axis=0)]):
        assert table.counted[row].tolist() == np.bincount(codes[inside], minlength=11).tolist(), row
        seen = inside & (codes != 10)
        for name, values in (("expected", probabilities), ("low", low), ("high", high)):
            each = [values[c].repeat(STEP, 0).repeat(STEP, 1)[seen].sum(dtype=float) for c in range(10)]
            assert getattr(table, name)[row] == pytest.approx(each, rel=1e-6, abs=1e-6), (row, name)


def test_a_cell_without_an_answer_has_the_mean_of_those_around_and_all_sum_to_one() -> None:
    cells = np.zeros((10, 4, 5), np.float32)
    cells[2, :, :2], cells[5, :, :2] = 0.6, 0.396  # rounded
    cells[7, 3, 4] = 1
    filled = filled_cells(cells)
    assert filled[:, :, :2].sum(axis=0) == pytest.approx(1) and filled[2, 0, 0] == pytest.approx(0.6 / 0.996)
    assert filled[:, 1, 2] == pytest.approx(filled[:, 1, 1]), "three answered cells are beside it"
    assert filled[7, 2, 3] == pytest.approx(1)
    assert not filled[:, 1, 4].any(), "no cell around it has an answer"


def test_polygons_that_do_not_overlap_are_rasterised_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    rasterize = areas.rasterize
    monkeypatch.setattr(areas, "rasterize", lambda *args, **kwargs: calls.append(1) or rasterize(*args, **kwargs))
    shapes = [shapely.box(x, y, x + 35, y + 35) for x in np.arange(LEFT, RIGHT, 40) for y in np.arange(BOTTOM, TOP, 40)]
    area = Polygons(tuple(map(str, range(len(shapes)))), np.array(shapes, object), GRID.crs)
    table = AreaTable.of(PolygonPixels.of(area, GRID), *block())
    assert table.counted.sum() == 2 * 16 * len(shapes)
    assert len(calls) == 1


@pytest.mark.parametrize("correlation", ["none", "blocks", "one cause"])
@pytest.mark.parametrize("sureness", [0.3, 1, 4])
def test_the_interval_holds_the_true_area_in_four_of_five_cases_however_errors_depend(
    correlation: str, sureness: float
) -> None:
    rng = np.random.default_rng(5)
    probabilities = rng.beta(0.7 / sureness, 1 / sureness, 60)
    low, high = (values.sum() for values in interval(probabilities))
    # What decides whether a pixel is of the class: one number for all pixels, for ten of them, or for each.
    shape = {"none": (4000, 60), "blocks": (4000, 6), "one cause": (4000, 1)}[correlation]
    draws = rng.random(shape).repeat(60 // shape[1], axis=1)
    true = (draws < probabilities).sum(axis=1)
    assert (true < low - 1e-9).mean() <= 0.1 + 0.015
    assert (true > high + 1e-9).mean() <= 0.1 + 0.015
    assert 0 <= low <= probabilities.sum() <= high <= 60


def test_the_interval_holds_where_dependence_is_at_its_worst() -> None:
    # All pixels have 0.91: they all fail in the same tenth of cases, and 1 in 10 of them fails there on its own.
    low, high = (1000 * values for values in interval(np.array(0.91)))
    assert (low, high) == (pytest.approx(100), 1000)


def test_the_csv_has_a_row_for_each_polygon_and_class() -> None:
    area = Polygons(
        ("a, b", "c"), np.array([shapely.box(LEFT, BOTTOM, LEFT + 400, TOP), shapely.box(*GRID.bounds)]), GRID.crs
    )
    codes, probabilities = block()
    table = AreaTable.empty(2)
    table.add(AreaTable.of(PolygonPixels.of(area, GRID), codes, probabilities))
    rows = list(csv.DictReader(io.StringIO(table.csv(area.names, 0.01))))
    assert [row["area"] for row in rows] == ["a, b"] * 11 + ["c"] * 11
    assert sum(int(row["pixels"]) for row in rows[11:]) == codes.size
    for row in rows:
        if row["class"] == "No Data":
            assert row["expected_hectares"] == row["low_hectares"] == row["high_hectares"] == ""
        else:
            assert float(row["low_hectares"]) <= float(row["expected_hectares"]) <= float(row["high_hectares"])
