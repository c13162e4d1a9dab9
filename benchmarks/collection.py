"""`python -m benchmarks.collection`: build, update, rebuild and search a collection with 50,000 items.

The items are copies of one real Item with other ids, places, times, areas and checksums. Each step runs in a new
process, to measure its memory.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lc_assets.products.collection.parquet import duckdb_connection, items, parquet
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.collection.search import find
from lc_assets.products.collection.update import Changes, fetch, update
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.layout import INDEX_FILE, Store

ITEMS = 50_000
MORE = 100
_BEGIN = datetime(2017, 1, 1)
_DAYS = 8 * 365


def write_items(template: dict[str, Any], store: Store, first: int, count: int) -> list[str]:
    """Write synthetic Items into a store and return the ids of their scenes."""
    scenes = []
    for number in range(first, first + count):
        document = _item(template, number)
        scenes.append(document["id"].removesuffix("_classified"))
        folder = Path(str(store.scene(scenes[-1]).folder))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{document['id']}.json").write_text(json.dumps(document), encoding="utf-8")
    return scenes


def _item(template: dict[str, Any], number: int) -> dict[str, Any]:
    chance = random.Random(number)
    when = _BEGIN + timedelta(seconds=chance.randrange(_DAYS * 86400))
    tile = f"{chance.randrange(1, 61):02}{chance.choice('CDEFGHJKLMNPQRSTUVWX')}{chance.choice('ABCDEFGH')}A"
    scene = f"S2A_MSIL2A_{when:%Y%m%dT%H%M%S}_R{chance.randrange(1, 144):03}_T{tile}_{when:%Y%m%d}T{number:06}"
    item = deepcopy(template)
    old = item["id"].removesuffix("_classified")
    item = json.loads(json.dumps(item).replace(old, scene))
    west, south, east, north = item["bbox"]
    east, north = east - west, north - south
    west, south = chance.uniform(-179, 178), chance.uniform(-80, 79)
    east, north = west + east, south + north
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item |= {"bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]}}
    item["properties"] |= {
        "datetime": f"{when.isoformat()}Z",
        "eo:cloud_cover": round(chance.uniform(0, 100), 6),
        "s2:mgrs_tile": tile,
        "lc:hectares": {name: round(chance.uniform(0, 1e5), 2) for name in item["properties"]["lc:hectares"]},
    }
    for asset in item["assets"].values():
        asset |= {"file:checksum": f"1220{chance.getrandbits(256):064x}", "file:size": chance.randrange(10**8)}
    return item


def build(store: Store, work: Path) -> dict[str, Any]:
    """Build the collection from the scenes in the store."""
    return _summary(update(store, lambda positions: Changes(None), rebuild=True))


def append(store: Store, work: Path) -> dict[str, Any]:
    """Add the new scenes."""
    scenes = json.loads((work / "new.json").read_text(encoding="utf-8"))
    return _summary(update(store, lambda positions: Changes(scenes, {"benchmark": {"cursor": len(scenes)}})))


def no_change(store: Store, work: Path) -> dict[str, Any]:
    """Update the collection without any new scenes."""
    return _summary(update(store, lambda positions: Changes([], dict(positions or {}))))


def search(store: Store, work: Path) -> dict[str, Any]:
    """Copy the index and search it by place, time and cloud cover, like `lc-assets search --done`."""
    return _search(store, Query(bbox=(0, 40, 30, 60), datetime="2019/2021", max_cloud=20))


def read_all(store: Store, work: Path) -> dict[str, Any]:
    """Copy the index and read all rows."""
    return _search(store, Query(bbox=(-180, -90, 180, 90)))


def _search(store: Store, query: Query) -> dict[str, Any]:
    started = time.perf_counter()
    with scratch(store) as folder:
        index, _ = fetch(store, folder)
        assert index
        found = find(index, query)
    return {"seconds": time.perf_counter() - started, "items": len(found)}


def classes(store: Store, work: Path) -> dict[str, Any]:
    """Query the index with DuckDB: the hundred scenes with the most forest, and the forest per year."""
    started = time.perf_counter()
    index = Path(str(store.collection / INDEX_FILE))
    with duckdb_connection(index) as connection:
        table = parquet(index)
        most = connection.execute(f'SELECT id FROM {table} ORDER BY "lc:hectares".Forest DESC LIMIT 100').fetchall()
        connection.execute(f'SELECT year(datetime::DATE), sum("lc:hectares".Forest) FROM {table} GROUP BY 1').fetchall()
    return {"seconds": time.perf_counter() - started, "items": len(most)}


def export(store: Store, work: Path) -> dict[str, Any]:
    """Convert all rows to STAC Items, as for pgstac."""
    started = time.perf_counter()
    with scratch(store) as folder:
        index, _ = fetch(store, folder)
        assert index
        count = sum(1 for _ in items(index, folder))
    return {"seconds": time.perf_counter() - started, "items": count}


def _summary(report: Any) -> dict[str, Any]:
    return {
        "seconds": report.seconds,
        "items": report.items,
        "bytes": report.size,
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
    }


STEPS: dict[str, Callable[[Store, Path], dict[str, Any]]] = {
    step.__name__: step for step in (build, append, no_change, search, read_all, classes, export)
}


def main() -> None:
    """Run all steps and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collection", description=__doc__)
    parser.add_argument("item", type=Path, help="a real <ID>_classified.json")
    parser.add_argument("--work", type=Path, default=Path("build/collection"), help="folder for the store (0.5 GB)")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    work = options.work.resolve()
    store = Store(work / "store")
    if options.step:
        found = STEPS[options.step](store, work)
        print(json.dumps({**found, "peak": _peak()}))
        return
    shutil.rmtree(work, ignore_errors=True)
    template = json.loads(options.item.read_text(encoding="utf-8"))
    print(f"writing {options.items:,} items below {work}", flush=True)
    write_items(template, store, 0, options.items)
    print("| step | seconds | seconds of the process | items | index | peak memory |\n|---|---:|---:|---:|---:|---:|")
    _measure("build", options)
    more = write_items(template, store, options.items, MORE)
    (work / "new.json").write_text(json.dumps(more), encoding="utf-8")
    for step in ("append", "no_change", "search", "read_all", "classes", "export"):
        _measure(step, options)
    for scene in more:
        shutil.rmtree(Path(str(store.scene(scene).folder)))
    _measure("build", options, "rebuild without 100 scenes")


def _measure(step: str, options: argparse.Namespace, title: str | None = None) -> None:
    command = [sys.executable, "-m", "benchmarks.collection", str(options.item), "--work", str(options.work)]
    started = time.perf_counter()
    done = subprocess.run([*command, "--step", step], stdout=subprocess.PIPE, text=True, check=True)
    wall = time.perf_counter() - started
    found = json.loads(done.stdout.splitlines()[-1])
    changes = ", ".join(f"{found[name]} {name}" for name in ("added", "changed", "removed") if found.get(name))
    size = f"{found['bytes'] / 1e6:.1f} MB" if "bytes" in found else ""
    print(
        f"| {title or step}{f' ({changes})' if changes else ''} | {found['seconds']:.2f} | {wall:.2f} "
        f"| {found['items']:,} | {size} | {found['peak'] / 1e6:.0f} MB |",
        flush=True,
    )


def _peak() -> int:
    """Return the peak of resident memory in bytes. (getrusage also counts memory of the parent process.)"""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
