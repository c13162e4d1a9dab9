"""GeoParquet files are read by other programs as what was written."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from rasterio.crs import CRS

from lc_assets.raster import geoparquet
from lc_assets.raster.geoparquet import write_geoparquet

SHAPES = np.array(
    [
        shapely.box(300_000, 5_600_000, 300_100, 5_600_200),
        shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)]),
        shapely.Point(301_000, 5_601_000).buffer(100).difference(shapely.Point(301_000, 5_601_000).buffer(50)),
    ]
)
COLUMNS = {
    "name": np.array(["Blåbärs 'mosse', \"A\"", "b", "c"], object),
    "code": np.array([1, 2, 3], np.int32),
    "hectares": np.round(shapely.area(SHAPES) / 10_000, 4),
}


@pytest.fixture(params=[100, 2], ids=["one group", "two groups"])
def file(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(geoparquet, "_ROWS", request.param)
    path = tmp_path / "shapes.parquet"
    write_geoparquet(path, SHAPES, COLUMNS, "EPSG:32633")
    return path


def test_the_file_says_what_geoparquet_1_1_requires(file: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT key, value FROM parquet_kv_metadata('{file}')").fetchall()
    geo = json.loads(dict(found)[b"geo"])
    assert (geo["version"], geo["primary_column"], list(geo["columns"])) == ("1.1.0", "geometry", ["geometry"])
    column = geo["columns"]["geometry"]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert column["bbox"] == shapely.total_bounds(SHAPES).tolist()
    assert column["covering"] == {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}}
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 32633}


def test_duckdb_reads_shapes_and_columns(file: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    spec = importlib.util.find_spec("duckdb_extension_spatial")
    built = list(Path(str(spec.origin)).parent.rglob(f"v{duckdb.__version__}/*.duckdb_extension")) if spec else []
    if not built:
        pytest.skip("needs DuckDB's extension spatial of its own version (pip install duckdb-extension-spatial)")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{built[0]}'")
        rows = connection.execute(
            f"SELECT name, code, hectares, ST_Area(geometry) / 10000, ST_AsWKB(geometry) FROM '{file}'"
        ).fetchall()
        corners = connection.execute(f"SELECT bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax FROM '{file}'").fetchall()
        (kind,) = connection.execute(f"SELECT typeof(geometry) FROM '{file}' LIMIT 1").fetchone()
    assert [row[:3] for row in rows] == list(zip(*(values.tolist() for values in COLUMNS.values()), strict=True))
    for row, shape in zip(rows, SHAPES, strict=True):
        assert row[3] == pytest.approx(row[2], abs=1e-4)
        assert shapely.from_wkb(bytes(row[4])).equals(shape)
    assert np.array_equal(corners, shapely.bounds(SHAPES))
    assert kind.startswith("GEOMETRY")


def test_geopandas_reads_shapes_columns_and_crs(file: Path) -> None:
    for name in ("geopandas", "pyarrow"):
        pytest.importorskip(name, reason="needs GeoPandas and PyArrow, which no extra brings")
    import geopandas

    found = geopandas.read_parquet(file)
    assert found.crs.to_epsg() == 32633
    assert shapely.equals(found.geometry.to_numpy(), SHAPES).all()
    for name, values in COLUMNS.items():
        assert found[name].tolist() == values.tolist()


def test_gdal_reads_shapes_columns_and_crs(file: Path) -> None:
    import pyogrio

    if "Parquet" not in pyogrio.list_drivers():
        pytest.skip("needs GDAL with the driver Parquet, which pyogrio's own does not have")
    meta, _, encoded, columns = pyogrio.raw.read(file)
    assert CRS.from_user_input(meta["crs"]).to_epsg() == 32633
    assert shapely.equals(shapely.from_wkb(encoded), SHAPES).all()
    assert [values.tolist() for values in columns] == [values.tolist() for values in COLUMNS.values()]


def test_a_file_without_a_shape_has_the_columns(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "none.parquet"
    write_geoparquet(path, SHAPES[:0], {name: values[:0] for name, values in COLUMNS.items()}, "EPSG:32633")
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT * FROM '{path}'").fetchall() == []
        assert [row[0] for row in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()] == [
            *COLUMNS,
            "bbox",
            "geometry",
        ]
