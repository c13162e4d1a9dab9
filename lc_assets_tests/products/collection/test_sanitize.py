"""Items that cannot be listed are reported and do not stop the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.products.collection import parquet
from lc_assets.products.collection import update as updating
from lc_assets.products.collection.parquet import ids
from lc_assets.products.collection.update import update
from lc_assets.store.layout import Store
from lc_assets.store.object_path import ObjectPath
from lc_assets_tests.products.collection.store_items import (
    Document,
    add,
    everything,
    needs_extra,
    only,
    put,
    rows,
    scenes_of,
)


@needs_extra
def test_faulty_documents_are_reported_and_do_not_stop_the_others(
    store: Store, template: Document, tmp_path: Path
) -> None:
    scenes = [add(store, template, number) for number in range(6)]
    update(store, only(*scenes[:2]))
    half = Path(str(store.scene(scenes[1]).folder)) / f"{scenes[1]}_classified.json"
    half.write_text(half.read_text()[:500])
    nowhere = deepcopy(template) | {
        "id": f"{scenes[2]}_classified",
        "geometry": {"type": "Polygon", "coordinates": "?"},
    }
    put(store, scenes[2], nowhere)
    put(store, scenes[3], template)
    put(store, scenes[4], [1])  # type: ignore[arg-type]
    report = update(store, everything, rebuild=True)
    assert set(report.faulty) == set(scenes[1:5])
    # The one that was good before is still listed.
    assert scenes_of(store, tmp_path / "work") == {scenes[0], scenes[1], scenes[5]}


@needs_extra
def test_names_in_items_are_not_executed_as_sql(store: Store, template: Document, tmp_path: Path) -> None:
    evil = 'x"), (SELECT count(*) FROM read_text(\'/etc/passwd\')), sum("lc:hectares"."Forest'
    add(store, template, 0, **{"lc:hectares": {"Forest": 1.0, evil: 2.0}, f"lc:hectares_{evil}": 3.0})
    report = update(store, everything)
    assert report.collection["lc:hectares"] == {"Forest": 1.0}
    [row] = rows(store, tmp_path / "work")
    assert [name for name in row["properties"] if name.startswith("lc:hectares_")] == ["lc:hectares_Forest"]
    assert parquet._identifier('a"b') == '"a""b"'


@needs_extra
def test_duckdb_reads_only_files_of_the_work_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("secret")
    with (
        pytest.raises(StoreError, match="other/file"),
        parquet.duckdb_connection(tmp_path / "work" / "index") as connection,
    ):
        connection.execute(f"SELECT * FROM read_text('{tmp_path}/other/file')")


FAULTS: dict[str, Callable[[Document], Any]] = {
    "year 0001": lambda item: item["properties"].update(datetime="0001-01-01T00:00:00Z"),
    "year 9999": lambda item: item["properties"].update(updated="9999-12-31T23:59:59-14:00"),
    "no moment": lambda item: item["properties"].update(created="yesterday"),
    "surrogate": lambda item: item["properties"].update(note=chr(0xD800)),
    "surrogate name": lambda item: item["properties"].update({chr(0xD800): 1}),
    "great integer": lambda item: item["properties"].update(note=1 << 63),
    "infinite": lambda item: item["properties"].update(note=float("inf")),
    "not a number": lambda item: item["bbox"].__setitem__(0, float("nan")),
    "deep": lambda item: item["properties"].update(note=json.loads("[" * 70 + "]" * 70)),
    "no map": lambda item: item["assets"].pop("classified"),
    "odd href": lambda item: item["assets"]["classified"].update(href=5),
    "odd areas": lambda item: item["properties"].update({"lc:hectares": {"Forest": 1e300}}),
}


@needs_extra
def test_items_with_values_that_no_column_can_hold_are_reported_and_do_not_stop_the_others(
    store: Store, template: Document, tmp_path: Path
) -> None:
    good = add(store, template, 0)
    bad = [add(store, template, number) for number in range(1, len(FAULTS) + 2)]
    for scene, spoil in zip(bad, FAULTS.values(), strict=False):
        item = json.loads((Path(str(store.scene(scene).folder)) / f"{scene}_classified.json").read_text())
        spoil(item)
        put(store, scene, item)
    (Path(str(store.scene(bad[-1]).folder)) / f"{bad[-1]}_classified.json").write_text("[" * 200_000)
    report = update(store, everything)
    assert set(report.faulty) == set(bad)
    assert scenes_of(store, tmp_path / "work") == {good}


@needs_extra
def test_properties_of_the_wrong_kind_are_left_out(store: Store, template: Document, tmp_path: Path) -> None:
    odd = {"lc:model": 5, "s2:mgrs_tile": ["x"], "EO:Cloud_cover": "x", "bbox": "x", "platform": {"a": 1}}
    scenes = [
        add(store, template, number, **{"eo:cloud_cover": cloud, **odd})
        for number, cloud in enumerate(("much", 101, True))
    ]
    report = update(store, everything)
    assert (report.items, report.faulty) == (len(scenes), {})
    for row in rows(store, tmp_path / "work"):
        assert not {*odd, "eo:cloud_cover"} & set(row["properties"])


@needs_extra
def test_only_the_item_with_conflicting_types_is_faulty(
    store: Store, template: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(store, template, 0)
    update(store, everything)
    scenes = [add(store, template, number) for number in range(1, 6)]
    merge = updating.merge

    def strict(old: Any, parts: Any, *rest: Any) -> Any:
        if any(f"{scenes[2]}_classified" in ids(part) for part in parts):
            raise parquet.SchemaConflict("STRUCT is not VARCHAR", remedy="none")
        return merge(old, parts, *rest)

    monkeypatch.setattr(updating, "merge", strict)
    report = update(store, only(*scenes))
    assert report.faulty == {scenes[2]: "STRUCT is not VARCHAR"}
    assert scenes_of(store, tmp_path / "work") == {first, *scenes} - {scenes[2]}


@needs_extra
def test_an_error_of_rustac_names_the_item(store: Store, template: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise Exception("from Rust")

    scene = add(store, template, 0)
    monkeypatch.setattr(parquet, "_run_async", fail)
    with pytest.raises(StoreError, match=scene):
        update(store, everything)


@needs_extra
def test_folders_that_are_not_scenes_are_reported(store: Store, template: Document) -> None:
    add(store, template, 0)
    (Path(str(store.root)) / "scenes" / "a b").mkdir()
    report = update(store, everything)
    assert (report.items, report.faulty) == (1, {"a b": "not a valid scene id"})


@needs_extra
def test_a_key_that_prevents_the_listing_of_a_bucket_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ObjectPath) -> Any:
        raise OSError(5, "Encountered object with invalid path: scenes//x", "s3://bucket/scenes")

    monkeypatch.setattr(ObjectPath, "iterdir", refuse)
    with pytest.raises(StoreError, match=r"scenes//x.* -> remove the object of that key"):
        Store.at("s3://bucket").folders()
