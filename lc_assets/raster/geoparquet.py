"""Write polygons with their attributes as GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0/)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import shapely
from rasterio.crs import CRS

_ROWS = 65_536
"""Rows of a row group. Readers skip the groups whose boxes are outside the box of a query."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def write_geoparquet(path: Path, shapes: np.ndarray, columns: Mapping[str, np.ndarray], crs: str) -> None:
    """Write a file with a row for each shape, and the columns `bbox` and `geometry` (WKB) last.

    Args:
        path: the file. It is not written atomically, so use a path in a staging folder.
        shapes: (N,) shapely geometries.
        columns: name -> (N,) integers of 32 bits, floats, or objects that are strings.
        crs: CRS of the shapes, as rasterio reads it.
    """
    from arro3.core import Array, DataType, Field, RecordBatch, Table, struct_array
    from arro3.io import write_parquet

    types = {"O": DataType.string(), "i": DataType.int32(), "f": DataType.float64()}

    def batch(rows: slice) -> RecordBatch:
        # Through lists: arro3 before 0.9 takes no empty NumPy array.
        arrays = {name: Array(values[rows].tolist(), type=types[values.dtype.kind]) for name, values in columns.items()}
        arrays["bbox"] = struct_array(
            [Array(values.tolist(), type=DataType.float64()) for values in shapely.bounds(shapes[rows]).T],
            fields=[Field(corner, DataType.float64()) for corner in _CORNERS],
        )
        encoded = shapely.to_wkb(shapes[rows], flavor="iso")
        return RecordBatch.from_pydict({**arrays, "geometry": Array(encoded.tolist(), type=DataType.binary())})

    batches = [batch(slice(start, start + _ROWS)) for start in range(0, max(len(shapes), 1), _ROWS)]
    write_parquet(
        Table.from_batches(batches),
        path,
        compression="zstd(3)",
        max_row_group_size=_ROWS,
        key_value_metadata={"geo": json.dumps(_metadata(shapes, crs))},
    )


def _metadata(shapes: np.ndarray, crs: str) -> dict[str, object]:
    column = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in shapes}),
        "crs": CRS.from_user_input(crs).to_dict(projjson=True),
        "covering": {"bbox": {corner: ["bbox", corner] for corner in _CORNERS}},
        **({"bbox": shapely.total_bounds(shapes).tolist()} if len(shapes) else {}),
    }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
