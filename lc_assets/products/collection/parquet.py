"""The index as a local file. DuckDB merges and queries it with limited memory; rustac writes and reads the items.

If items have different fields (other software, another parameter), DuckDB widens the types, also inside structs.
rustac leaves out null values when it reads items. Geometries are WKB with their bounding boxes in a second column, as
stac-geoparquet requires (https://github.com/stac-utils/stac-geoparquet/blob/main/spec/stac-geoparquet-spec.md). So no
extension of DuckDB is needed. The metadata of the file contain the Collection with the positions of the index.
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
"""Rows per row group. A search for an area or a time skips whole row groups."""
_PAGE = 1000
_MEMORY = "500MB"
_THREADS = 1
_REMEDY = "rebuild it from the scenes: lc-assets collection --rebuild"
_VALUES = ("platform", "constellation", "gsd", "proj:code", "s2:mgrs_tile", "lc:model")
"""Properties whose values the summary of the Collection counts."""
_COVERING = {corner: ["bbox", corner] for corner in ("xmin", "ymin", "xmax", "ymax")}
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": [], "covering": {"bbox": _COVERING}}},
}


class SchemaConflict(StoreError):
    """The types of some files conflict, or a file is damaged."""


@contextmanager
def duckdb_connection(index: Path, *folders: Path) -> Iterator[Any]:
    """Open a DuckDB connection without network access, with limited memory, that reads only the given folders.

    Args:
        index: the file to read or write. Its folder is allowed.
        folders: further allowed folders.

    Raises:
        LandCoverError: DuckDB is not installed.
        SchemaConflict: a query inside the context failed because of its data.
        StoreError: a query inside the context failed for another reason, such as a damaged file.
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
            # These come last, because they forbid further settings.
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
        StoreError: rustac cannot convert the items.
        OSError: the file cannot be written.
    """
    rustac = optional_import("rustac")
    try:
        _run_async(rustac.write, str(path), list(rows))
    except OSError:
        raise
    except BaseException as error:
        # rustac also raises plain Exceptions, and the panics of Rust are not subclasses of Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise StoreError(
            f"items cannot be indexed ({str(error)[:300]})", remedy="materialise catalog of their scenes again"
        ) from None


def read_collection(index: Path) -> dict[str, Any]:
    """Return the Collection in the metadata of the file.

    Raises:
        StoreError: the file is damaged, or was not written by lc_assets.
    """
    with duckdb_connection(index) as connection:
        found = connection.execute(
            f"SELECT value FROM parquet_kv_metadata({_text(str(index))}) WHERE key = 'stac-geoparquet'"
        ).fetchall()
    try:
        return dict(json.loads(found[0][0])["collections"][COLLECTION_ID])
    except (IndexError, KeyError, ValueError, TypeError):
        raise StoreError("the index of the collection was not written by lc_assets", remedy=_REMEDY) from None


def columns(connection: Any, relation: str) -> dict[str, str]:
    """Return column name -> type of a table or another relation."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def parquet(*paths: Path) -> str:
    """Return the SQL relation that reads some files as one table."""
    return f"read_parquet([{', '.join(_text(str(path)) for path in paths)}], union_by_name = true)"


def merge(
    old: Path | None, parts: Sequence[Path], removed: Collection[str], state: dict[str, Any], target: Path
) -> tuple[dict[str, Any], dict[str, int]]:
    """Write a new index: the old one without the `removed` items, plus the new rows, which replace rows of the same id.

    Args:
        old: the old index, or None.
        parts: files of new rows; each id occurs once.
        removed: ids of the items to leave out.
        state: state of the writer, stored in the Collection.
        target: file to write.

    Returns:
        The Collection, and the numbers of rows that were added, changed and removed.

    Raises:
        SchemaConflict: the types of the items conflict, or a file is damaged.
        StoreError: there is not enough memory or disk space.
        ValueError: there is neither an old index nor a new row.
    """
    with duckdb_connection(target, *{path.parent for path in (*parts, *([old] if old else []))}) as connection:
        connection.execute("CREATE TEMP TABLE removed AS SELECT unnest(?::VARCHAR[]) AS id", [list(removed)])
        for name, files in (("new_rows", parts), ("old_rows", [old] if old else [])):
            rows = f"SELECT id, updated FROM {parquet(*files)}" if files else "SELECT '' AS id, NULL AS updated LIMIT 0"
            connection.execute(f"CREATE TEMP VIEW {name} AS {rows}")
        found = connection.execute(
            "SELECT count(*) FILTER (o.id IS NULL), "
            "count(*) FILTER (o.id IS NOT NULL AND n.id IS NOT NULL AND o.updated IS DISTINCT FROM n.updated), "
            "count(*) FILTER (n.id IS NULL AND o.id IN (FROM removed)) "
            "FROM new_rows AS n FULL JOIN old_rows AS o ON n.id = o.id"
        ).fetchone()
        counts = dict(zip(("added", "changed", "removed"), found, strict=True))
        selections = [f"SELECT * FROM {parquet(*parts)}"] if parts else []
        if old:
            kept = "id NOT IN (FROM removed) AND id NOT IN (SELECT id FROM new_rows)"
            selections.insert(0, f"SELECT * FROM {parquet(old)} WHERE {kept}")
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
    """Return the ids of all items."""
    with duckdb_connection(index) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {parquet(index)}").fetchall()]


def items(index: Path, work: Path, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the items as STAC documents, read page by page.

    Args:
        work: folder for the pages.
        limit: largest number of items; None means all.

    Raises:
        StoreError: the file is damaged.
    """
    rustac = optional_import("rustac")
    with duckdb_connection(index, work) as connection:
        total = _number(connection, f"SELECT count(*) FROM {parquet(index)}")
        for start in range(0, total if limit is None else min(total, limit), _PAGE):
            page = work / "page.parquet"
            end = start + _PAGE if limit is None else min(start + _PAGE, limit)
            connection.execute(
                f"COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet({_text(str(index))}, "
                f"file_row_number = true) WHERE file_row_number >= {start} AND file_row_number < {end}) "
                f"TO {_text(str(page))} (FORMAT parquet, KV_METADATA {{geo: {_text(json.dumps(_GEO))}}})"
            )
            found = _run_async(rustac.read, str(page))
            for item in found["features"]:
                # rustac returns tuples, and adds a link to the file that it read.
                document = json.loads(json.dumps(item))
                document["links"] = [link for link in document["links"] if link["rel"] != "self"]
                yield document


def _run_async(function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Call an async function of rustac. All its versions have these, down to 0.6 for Python 3.10."""

    async def called() -> Any:
        return await function(*arguments)

    return asyncio.run(called())


def _summary(connection: Any, relation: str) -> Summary:
    """Return the summary of the rows of a relation."""
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
        # For an item across the antimeridian, west is greater than east.
        bbox=(-180.0, south, 180.0, north) if crosses else (west, south, east, north),
        interval=(_timestamp(first), _timestamp(last)),
        cloud=None if least is None else (least, most),
        hectares={name: round(value or 0.0, 2) for name, value in zip(hectares, row[11:], strict=True)},
        values={name: {key: n for key, n in found.items() if key is not None} for name, found in values.items()},
        updated=_timestamp(updated),
    )


def _fields(kind: str, connection: Any, relation: str) -> list[str]:
    if not kind.startswith("STRUCT"):
        return []
    return list(columns(connection, f'(SELECT unnest("lc:hectares") FROM {relation})'))


def _timestamp(microseconds: int) -> str:
    # datetime.fromtimestamp would round.
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
