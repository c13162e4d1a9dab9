"""Other programs read the collection: pgstac, rustac, DuckDB."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lc_assets.products.collection.update import update
from lc_assets.products.stac.collection import COLLECTION_ID
from lc_assets.store.layout import INDEX_FILE, Store
from lc_assets_tests.products.collection.store_items import Document, add, everything, needs_extra, scene_id
from lc_assets_tests.rig.command import invoke
from loopback.planetary_computer import PlanetaryComputer
from loopback.programs import pgstac


@needs_extra
def test_pgstac_loads_the_collection_and_finds_its_items(
    planetary_computer: PlanetaryComputer, store: Store, template: Document, tmp_path: Path
) -> None:
    for number in range(10):
        areas = {**template["properties"]["lc:hectares"], "Forest": 100.0 * number}
        add(store, template, number, **{"eo:cloud_cover": 10.0 * number, "lc:hectares": areas})
    update(store, everything)
    target = tmp_path / "items.ndjson"
    invoke("collection", "--store", store.root, "--export", target, code=0)
    api = planetary_computer.api
    command = str(pgstac("pypgstac"))
    api._run([command, "load", "collections", str(tmp_path / "items.collection.json"), "--method", "upsert"])
    api._run([command, "load", "items", str(target), "--method", "upsert"])
    host, port = api.backend.address

    def ask(**query: Any) -> list[str]:
        request = urllib.request.Request(
            f"http://{host}:{port}/search",
            data=json.dumps({"collections": [COLLECTION_ID], "limit": 100, **query}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            features = json.load(answer)["features"]
        return sorted(feature["id"].removesuffix("_classified") for feature in features)

    def ids_of(*numbers: int) -> list[str]:
        return sorted(scene_id(number) for number in numbers)

    assert ask() == ids_of(*range(10))
    assert ask(bbox=[-150, 0, -147.6, 20]) == ids_of(0, 1, 2)
    assert ask(datetime="2024-02-01T00:00:00Z/2024-03-31T00:00:00Z") == ids_of(1, 2)
    assert ask(query={"eo:cloud_cover": {"lte": 20}}) == ids_of(0, 1, 2)
    many = {"op": ">=", "args": [{"property": "lc:hectares_Forest"}, 800]}
    assert ask(**{"filter-lang": "cql2-json", "filter": many}) == ids_of(8, 9)


def duckdb_client(folder: Path) -> Any:
    """rustac's client. It needs DuckDB's spatial extension of the same version: downloaded, or from the packages
    duckdb-extension-{spatial,icu,parquet}."""
    import rustac

    try:
        return rustac.DuckdbClient(install_extensions=False)
    except rustac.RustacError:
        pass
    for name in ("spatial", "icu", "parquet"):
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        for file in Path(spec.origin).parent.glob("extensions/v*/*.duckdb_extension") if spec and spec.origin else ():
            target = folder / file.parent.name / "linux_amd64" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    try:
        return rustac.DuckdbClient(extension_directory=folder, install_extensions=False)
    except (rustac.RustacError, TypeError) as error:
        pytest.skip(f"needs DuckDB's extension spatial of rustac's own version ({str(error).splitlines()[0]})")


@needs_extra
def test_rustac_searches_the_index(store: Store, template: Document, tmp_path: Path) -> None:
    client = duckdb_client(tmp_path / "extensions")
    for number in range(10):
        areas = {**template["properties"]["lc:hectares"], "Forest": 100.0 * number}
        add(store, template, number, **{"eo:cloud_cover": 10.0 * number, "lc:hectares": areas})
    update(store, everything)
    index = str(store.collection / INDEX_FILE)
    for query, numbers in (
        ({"bbox": [-150, 0, -147.6, 20]}, (0, 1, 2)),
        ({"datetime": "2024-02-01T00:00:00Z/2024-03-31T00:00:00Z"}, (1, 2)),
        ({"filter": '"eo:cloud_cover" <= 20'}, (0, 1, 2)),
        ({"filter": '"lc:hectares_Forest" >= 800'}, (8, 9)),
        ({"collections": COLLECTION_ID, "ids": f"{scene_id(4)}_classified"}, (4,)),
    ):
        found = [item["id"].removesuffix("_classified") for item in client.search(index, **query)]
        assert sorted(found) == sorted(scene_id(number) for number in numbers)


@needs_extra
def test_duckdb_queries_the_index_with_plain_sql(store: Store, template: Document) -> None:
    """As in the README; in a separate process, with DuckDB's default settings except for downloads."""
    for number in range(3):
        add(store, template, number, **{"lc:hectares": {"Forest": 100.0 * number, "NoData": 0.0}})
    update(store, everything)
    query = f"""
        import duckdb
        duckdb.sql("SET autoinstall_known_extensions = false")
        print(duckdb.sql('''SELECT id, "lc:hectares".Forest AS forest, assets.classified.href
            FROM '{store.collection}/{INDEX_FILE}' WHERE bbox.xmin > -149.5 ORDER BY forest DESC''').fetchall())
    """
    script = "\n".join(line.strip() if "duckdb" in line else line for line in query.splitlines())
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert [row[:2] for row in eval(done.stdout)] == [
        (f"{scene_id(2)}_classified", 200.0),
        (f"{scene_id(1)}_classified", 100.0),
    ]
