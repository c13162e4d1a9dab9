"""The index as a local file: merged and asked by DuckDB, in bounded memory; rows come in and go out by rustac.

DuckDB widens the types where items differ (other software, another parameter), also inside of structs; rustac leaves
out what is null when it gives items back. Geometries stay WKB with their boxes beside them, as stac-geoparquet wants it
(https://github.com/stac-utils/stac-geoparquet/blob/main/spec/stac-geoparquet-spec.md), so that no extension of DuckDB
is needed. The file's metadata hold the Collection, and in it how far the index has got.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lc_assets.core.errors import StoreError
from lc_assets.products.collection.extras import optional_import
from lc_assets.products.stac.collection import COLLECTION_ID, Summary, collection_document

_ROWS = 5000
"""Rows a group: what a search for a place or a time can leave out at once."""
_PAGE = 1000
_MEMORY = "500MB"
_THREADS = 1
_REMEDY = "make it anew from the scenes: lc-assets collection --rebuild"
_VALUES = ("platform", "constellation", "gsd", "proj:code", "s2:mgrs_tile", "lc:model")
"""Properties whose distinct values a summary counts."""
_COVERING = {corner: ["bbox", corner] for corner in ("xmin", "ymin", "xmax", "ymax")}
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": [], "covering": {"bbox": _COVERING}}},
}


class SchemaConflict(StoreError):
    """What is in some files does not go together, or one of them is broken."""


@contextmanager
def duckdb_connection(index: Path, *folders: Path) -> Iterator[Any]:
    """A DuckDB connection for one file; it fetches nothing, keeps to its memory, and sees no file of other folders.

    Args:
        index: the file.
        folders: which it may use besides the file's own.

    Raises:
        LandCoverError: DuckDB is not installed.
        StoreError: the file is broken.
    """
    duckdb = optional_import("duckdb")
    with duckdb.connect() as connection:
        for setting, value in {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "enable_geoparquet_conversion": "false",
            "preserve_insertion_order": "false",
            "memory_limit": _text(_MEMORY),
            "threads": str(_THREADS),
            "temp_directory": _text(str(index.with_name(f"{index.name}.spill"))),
            "allowed_directories": f"[{', '.join(_text(str(folder)) for folder in (index.parent, *folders))}]",
            # Last, since they forbid to set the others.
            "enable_external_access": "false",
            "lock_configuration": "true",
        }.items():
            connection.execute(f"SET {setting} = {value}")
        try:
            yield connection
        except duckdb.Error as error:
            reason = str(error).splitlines()[0][:300]
            values = (duckdb.DataError, duckdb.ProgrammingError, duckdb.NotSupportedError, duckdb.InternalError)
            kind = SchemaConflict if isinstance(error, values) else StoreError
            raise kind(f"the index of the collection cannot be used ({reason})", remedy=_REMEDY) from None


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write items as stac-geoparquet.

    Raises:
        StoreError: rustac cannot.
        OSError: the file cannot be written.
    """
    rustac = optional_import("rustac")
    try:
        _wait(rustac.write, str(path), list(rows))
    except OSError:
        raise
    except BaseException as error:
        # Besides its own errors it raises bare Exceptions, and Rust's panics are not even those.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise StoreError(
            f"items cannot be indexed ({str(error)[:300]})", remedy="materialise catalog of their scenes again"
        ) from None


def read_collection(index: Path) -> dict[str, Any]:
    """The Collection in the file's metadata.

    Raises:
        StoreError: the file is broken, or none of ours.
    """
    with duckdb_connection(index) as connection:
        found = connection.execute(
            f"SELECT value FROM parquet_kv_metadata({_text(str(index))}) WHERE key = 'stac-geoparquet'"
        ).fetchall()
    try:
        return dict(json.loads(found[0][0])["collections"][COLLECTION_ID])
    except (IndexError, KeyError, ValueError, TypeError):
        raise StoreError("the index of the collection is none of lc_assets", remedy=_REMEDY) from None


def columns(connection: Any, relation: str) -> dict[str, str]:
    """Name -> type of the columns of something to select from."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def parquet(*paths: Path) -> str:
    """What to select from in order to read some files as one table."""
    return f"read_parquet([{', '.join(_text(str(path)) for path in paths)}], union_by_name = true)"


def merge(
    old: Path | None, parts: Sequence[Path], gone: Collection[str], state: dict[str, Any], target: Path
) -> tuple[dict[str, Any], dict[str, int]]:
    """A new index: the old one without what is gone, and with new rows, which replace those of the same id.

    Args:
        old: the index so far.
        parts: files of new rows, each id once.
        gone: ids of items to leave out.
        state: of the writer.
        target: file to write.

    Returns:
        The Collection, and how many rows were added, changed, unchanged and removed.

    Raises:
        Misfit: items do not go together, or a file is broken.
        StoreError: there is no room.
        ValueError: there is nothing to make an index of.
    """
    with duckdb_connection(target, *{path.parent for path in (*parts, *([old] if old else []))}) as connection:
        connection.execute("CREATE TEMP TABLE gone AS SELECT unnest(?::VARCHAR[]) AS id", [list(gone)])
        counts = dict.fromkeys(("added", "changed", "unchanged", "removed"), 0)
        selections = []
        if parts:
            connection.execute(f"CREATE TEMP TABLE fresh AS SELECT id, updated FROM {parquet(*parts)}")
            counts["added"] = _number(connection, "SELECT count(*) FROM fresh")
        else:
            connection.execute("CREATE TEMP TABLE fresh (id VARCHAR, updated TIMESTAMPTZ)")
        if old:
            selections.append(
                f"SELECT * FROM {parquet(old)} WHERE id NOT IN (FROM gone) AND id NOT IN (SELECT id FROM fresh)"
            )
            known = f"{parquet(old)} AS o"
            counts["removed"] = _number(
                connection, f"SELECT count(*) FROM {known} WHERE id IN (FROM gone) AND id NOT IN (SELECT id FROM fresh)"
            )
            counts["unchanged"] = _number(
                connection, f"SELECT count(*) FROM {known} JOIN fresh USING (id) WHERE o.updated = fresh.updated"
            )
            both = _number(connection, f"SELECT count(*) FROM {known} JOIN fresh USING (id)")
            counts["changed"] = both - counts["unchanged"]
            counts["added"] -= both
        if parts:
            selections.append(f"SELECT * FROM {parquet(*parts)}")
        if not selections:
            raise ValueError("neither an index nor items")
        connection.execute(f"CREATE TEMP VIEW merged AS {' UNION ALL BY NAME '.join(selections)}")
        collection = collection_document(_summary(connection, "merged"), state)
        metadata = {
            "geo": json.dumps(_GEO),
            "stac-geoparquet": json.dumps({"version": "1.1.0", "collections": {COLLECTION_ID: collection}}),
        }
        listed = ", ".join(f"{_text(key)}: {_text(value)}" for key, value in metadata.items())
        connection.execute(
            f"COPY (FROM merged) TO {_text(str(target))} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS}, KV_METADATA {{{listed}}})"
        )
    return collection, counts


def ids(index: Path) -> list[str]:
    """The ids of all items."""
    with duckdb_connection(index) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {parquet(index)}").fetchall()]


def items(index: Path, work: Path, most: int | None = None) -> Iterator[dict[str, Any]]:
    """The items as STAC documents, a page at a time.

    Args:
        index: the file.
        work: folder for pages.
        most: how many.

    Raises:
        StoreError: the file is broken.
    """
    rustac = optional_import("rustac")
    with duckdb_connection(index, work) as connection:
        total = _number(connection, f"SELECT count(*) FROM {parquet(index)}")
        for start in range(0, total if most is None else min(total, most), _PAGE):
            page = work / "page.parquet"
            end = start + _PAGE if most is None else min(start + _PAGE, most)
            connection.execute(
                f"COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet({_text(str(index))}, "
                f"file_row_number = true) WHERE file_row_number >= {start} AND file_row_number < {end}) "
                f"TO {_text(str(page))} (FORMAT parquet, KV_METADATA {{geo: {_text(json.dumps(_GEO))}}})"
            )
            found = _wait(rustac.read, str(page))
            for item in found["features"]:
                # rustac gives tuples and notes where it has read from.
                document = json.loads(json.dumps(item))
                document["links"] = [link for link in document["links"] if link["rel"] != "self"]
                yield document


def _wait(function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Call one of rustac's functions. Only the awaitable ones are in all its versions, down to 0.6 for Python 3.10."""

    async def called() -> Any:
        return await function(*arguments)

    return asyncio.run(called())


def _summary(connection: Any, relation: str) -> Summary:
    """The rows of a relation, summed up."""
    known = columns(connection, relation)
    hectares = _fields(known.get("lc:hectares", ""), connection, relation)
    sums = ", ".join(f'sum("lc:hectares".{_identifier(name)})' for name in hectares)
    cloud = 'min("eo:cloud_cover"), max("eo:cloud_cover")' if "eo:cloud_cover" in known else "NULL, NULL"
    row = connection.execute(
        f"SELECT count(*), min(bbox.xmin), min(bbox.ymin), max(bbox.xmax), max(bbox.ymax), "
        f"coalesce(bool_or(bbox.xmin > bbox.xmax), false), epoch_us(min(datetime)), epoch_us(max(datetime)), "
        f"epoch_us(max(updated)), {cloud}{f', {sums}' if sums else ''} FROM {relation}"
    ).fetchone()
    total, west, south, east, north, crosses, first, last, updated, least, most = row[:11]
    if not total:
        return Summary(0)
    values = {
        name: dict(connection.execute(f"SELECT {_identifier(name)}, count(*) FROM {relation} GROUP BY 1").fetchall())
        for name in _VALUES
        if name in known
    }
    return Summary(
        items=total,
        # Items across the antimeridian have their west beyond their east.
        bbox=(-180.0, south, 180.0, north) if crosses else (west, south, east, north),
        interval=(_written(first), _written(last)),
        cloud=None if least is None else (least, most),
        hectares={name: round(value or 0.0, 2) for name, value in zip(hectares, row[11:], strict=True)},
        values={name: {key: n for key, n in found.items() if key is not None} for name, found in values.items()},
        updated=_written(updated),
    )


def _fields(kind: str, connection: Any, relation: str) -> list[str]:
    if not kind.startswith("STRUCT"):
        return []
    return list(columns(connection, f'(SELECT unnest("lc:hectares") FROM {relation})'))


def _written(microseconds: int) -> str:
    # (Not fromtimestamp, which rounds.)
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=microseconds)
    return moment.isoformat().replace("+00:00", "Z")


def _number(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _identifier(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def _text(value: str) -> str:
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
