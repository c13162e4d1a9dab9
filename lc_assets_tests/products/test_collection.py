"""The collection over all maps: complete, valid, searchable, and kept by one writer who loses nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import Result

import lc_assets.defs.collection_changes
from lc_assets.cli import search_done
from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_common_definitions, build_definitions
from lc_assets.defs.collection_changes import POOL, ensure_pool, news_since
from lc_assets.defs.resources import StoreResource
from lc_assets.defs.schedules import UPDATE_COLLECTION, collection_every_quarter
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations import cleanup
from lc_assets.operations.keys import CATALOG
from lc_assets.operations.runs import RunResult
from lc_assets.products.collection import parquet
from lc_assets.products.collection import update as updating
from lc_assets.products.collection.parquet import ids, items
from lc_assets.products.collection.search import Found
from lc_assets.products.collection.update import Changes, UpdateSummary, fetch, folder_of, read_positions, update
from lc_assets.products.collection.verify import check_collection
from lc_assets.products.stac.collection import COLLECTION_FILE, COLLECTION_ID, INDEX_FILE, PARQUET
from lc_assets.products.stac.validate import validate_offline
from lc_assets.store.layout import Store
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.rig.command import NOBODY, Shell, invoke
from lc_assets_tests.rig.object_stores import s3_store
from lc_assets_tests.rig.programs import pgstac
from lc_assets_tests.rig.service import PlanetaryComputer

needs_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("rustac", "duckdb", "shapely")),
    reason="needs rustac, DuckDB and shapely (pip install '.[cluster]')",
)
Document = dict[str, Any]


@pytest.fixture(scope="session")
def template(classified_demo: tuple[Desk, RunResult]) -> Document:
    """The Item of a real map."""
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    return json.loads((folder.folder / f"{DEMO_ITEM_ID}_classified.json").read_text())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def whole(classified_demo: tuple[Desk, RunResult], tmp_path: Path) -> Store:
    """A copy of a store with one real map and all its files."""
    shutil.copytree(classified_demo[0].store.root, tmp_path / "store")  # type: ignore[arg-type]
    return Store(tmp_path / "store")


def scene_id(number: int) -> str:
    return f"S2A_MSIL2A_20240{1 + number % 9}21T103629_R008_T32ULC_20240621T{140000 + number:06}"


def add(store: Store, template: Document, number: int, **properties: Any) -> str:
    """Put one more Item into the store, at a longitude of its own; its scene's id."""
    scene = scene_id(number)
    item = json.loads(json.dumps(template).replace(DEMO_ITEM_ID, scene))
    west, south, east, north = number % 300 - 150, 10.0, number % 300 - 149.5, 10.5
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item |= {"bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]}}
    item["properties"] |= {"datetime": f"2024-0{1 + number % 9}-21T10:36:29.024Z", **properties}
    put(store, scene, item)
    return scene


def put(store: Store, scene: str, item: Document) -> None:
    folder = Path(str(store.scene(scene).folder))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scene}_classified.json").write_text(json.dumps(item))


def everything(positions: Any) -> Changes:
    return Changes(None)


def only(*scenes: str) -> Callable[[Any], Changes]:
    return lambda positions: Changes(scenes, dict(positions or {}))


def scenes_of(store: Store, work: Path) -> set[str]:
    work.mkdir(exist_ok=True)
    index, _ = fetch(store, work)
    assert index
    listed = ids(index)
    assert len(set(listed)) == len(listed)
    return {item.removesuffix("_classified") for item in listed}


def rows(store: Store, work: Path) -> list[Document]:
    work.mkdir(exist_ok=True)
    index, _ = fetch(store, work)
    assert index
    return sorted(items(index, work), key=lambda item: item["id"])


def catalogued(instance: dg.DagsterInstance, *scenes: str) -> None:
    for scene in scenes:
        instance.report_runless_asset_event(dg.AssetMaterialization(CATALOG, partition=scene))


def told(report: UpdateSummary) -> tuple[int, int, int, int]:
    return report.items, report.added, report.changed, report.removed


@needs_extra
def test_the_collection_and_its_items_are_valid_and_all_hrefs_resolve(whole: Store, tmp_path: Path) -> None:
    update(whole, everything)
    folder = Path(str(folder_of(whole)))
    document = json.loads((folder / COLLECTION_FILE).read_text())
    assert validate_offline(document) == []
    [item] = rows(whole, tmp_path / "work")
    assert validate_offline(item) == []
    assert item["collection"] == document["id"] == COLLECTION_ID
    hrefs = [part["href"] for part in (*item["assets"].values(), *item["links"], *document["links"])]
    local = [href for href in hrefs if "://" not in href]
    assert len(local) >= 9
    for href in [*local, item["properties"]["processing:expression"]["expression"]]:
        assert (folder / href).exists(), href


@needs_extra
def test_an_item_in_the_index_is_the_items_own_document(whole: Store, template: Document, tmp_path: Path) -> None:
    update(whole, everything)
    [item] = rows(whole, tmp_path / "work")
    from shapely.geometry import shape

    assert shape(item["geometry"]).equals(shape(template["geometry"]))  # rustac 0.6 makes a multipolygon of one
    item["geometry"] = template["geometry"]

    def bare(document: Document) -> Document:
        copy = deepcopy(document)
        for part in (*copy["assets"].values(), copy["properties"]["processing:expression"]):
            part.pop("href", None)
            part.pop("expression", None)
        flat = [name for name in copy["properties"] if name.startswith("lc:hectares_")]
        for name in flat:
            copy["properties"].pop(name)
        for name in ("datetime", "created", "updated"):  # moments, which may be written in several ways
            copy["properties"][name] = datetime.fromisoformat(copy["properties"][name].replace("Z", "+00:00"))
        return {key: value for key, value in copy.items() if key not in ("links", "collection")}

    assert bare(item) == bare(template)


@needs_extra
def test_the_collection_sums_up_what_it_holds(store: Store, template: Document) -> None:
    for number in range(3):
        add(store, template, number, **{"eo:cloud_cover": 10.0 * number})
    update(store, everything)
    document = json.loads((Path(str(folder_of(store))) / COLLECTION_FILE).read_text())
    assert document["lc:items"] == 3
    assert document["extent"]["spatial"]["bbox"] == [[-150.0, 10.0, -147.5, 10.5]]
    assert document["extent"]["temporal"]["interval"] == [
        ["2024-01-21T10:36:29.024000Z", "2024-03-21T10:36:29.024000Z"]
    ]
    assert document["summaries"]["eo:cloud_cover"] == {"minimum": 0.0, "maximum": 20.0}
    one = template["properties"]["lc:hectares"]
    assert document["lc:hectares"] == pytest.approx({name: 3 * area for name, area in one.items()}, abs=0.1)
    assert document["lc:items_by_model"] == {template["properties"]["lc:model"]: 3}
    assert [c["value"] for c in document["summaries"]["classification:classes"]] == [c.code for c in ALL_CLASSES]
    asset = document["assets"]["items"]
    assert (asset["href"], asset["type"], asset["roles"]) == (f"./{INDEX_FILE}", PARQUET, ["collection-mirror"])


@needs_extra
def test_items_that_differ_in_their_fields_share_an_index(store: Store, template: Document, tmp_path: Path) -> None:
    add(store, template, 0)
    update(store, everything)
    odd = deepcopy(template)
    odd["properties"]["processing:software"]["torch"] = "2.13"
    odd["properties"]["providers"] = [{"name": "somebody", "roles": ["producer"]}]
    odd["properties"].pop("eo:cloud_cover", None)
    odd["assets"]["classified"]["bands"][0]["description"] = "one more word"
    scene = add(store, odd, 1, gsd=10.5)
    assert told(update(store, only(scene))) == (2, 1, 0, 0)
    first, second = rows(store, tmp_path / "work")
    assert "torch" not in first["properties"]["processing:software"]
    assert "providers" not in first["properties"]
    assert second["properties"]["processing:software"]["torch"] == "2.13"
    assert second["properties"]["gsd"] == 10.5
    assert second["assets"]["classified"]["bands"][0]["description"] == "one more word"
    assert validate_offline(first) == validate_offline(second) == []


@needs_extra
def test_only_what_dagster_has_recorded_since_is_read_again(store: Store, template: Document, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ask = partial(news_since, instance)
        first = [add(store, template, number) for number in range(3)]
        catalogued(instance, *first)
        assert told(update(store, ask)) == (3, 3, 0, 0)
        (Path(str(store.scene(first[0]).folder)) / f"{first[0]}_classified.json").write_text("{")
        again = add(store, template, 1, updated="2030-01-01T00:00:00Z")
        new = add(store, template, 9)
        catalogued(instance, again, new)
        report = update(store, ask)
        assert told(report) == (4, 1, 1, 0)
        assert not report.faulty, "the first one was not looked at"
        before = (Path(str(folder_of(store))) / INDEX_FILE).read_bytes()
        assert told(update(store, ask)) == (4, 0, 0, 0)
        assert (Path(str(folder_of(store))) / INDEX_FILE).read_bytes() == before
    assert scenes_of(store, tmp_path / "work") == {*first, new}


@needs_extra
def test_a_record_that_appears_late_behind_later_ones_is_not_missed(
    store: Store, template: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL gives ids before it shows records."""
    scenes = [add(store, template, number) for number in range(3)]
    records = lc_assets.defs.collection_changes._records
    with dg.DagsterInstance.ephemeral() as instance:
        update(store, partial(news_since, instance))
        for scene in scenes:
            shutil.rmtree(store.scene(scene).folder)  # type: ignore[arg-type]
        update(store, partial(news_since, instance), rebuild=True)
        for number, _ in enumerate(scenes):
            add(store, template, number)
        catalogued(instance, *scenes)
        hidden = scenes[1]
        monkeypatch.setattr(
            lc_assets.defs.collection_changes,
            "_records",
            lambda i, a: (r for r in records(i, a) if r.partition_key != hidden),
        )
        assert told(update(store, partial(news_since, instance))) == (2, 2, 0, 0)
        monkeypatch.setattr(lc_assets.defs.collection_changes, "_records", records)
        assert told(update(store, partial(news_since, instance))) == (3, 1, 0, 0)
    assert scenes_of(store, tmp_path / "work") == set(scenes)


@needs_extra
def test_a_position_passes_records_once_they_have_settled(
    store: Store, template: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        catalogued(instance, *(add(store, template, number) for number in range(3)))
        update(store, partial(news_since, instance))
        catalogued(instance, add(store, template, 3))
        update(store, partial(news_since, instance))
        [young] = (read_positions(store) or {}).values()
        assert len(young["beyond"]) == 4
        monkeypatch.setattr(lc_assets.defs.collection_changes, "SETTLED_SECONDS", -1.0)
        update(store, partial(news_since, instance))
        [settled] = (read_positions(store) or {}).values()
    assert settled == {"cursor": max(young["beyond"]), "beyond": []}


@needs_extra
def test_another_instance_reads_the_whole_store_once(store: Store, template: Document) -> None:
    add(store, template, 0)
    with dg.DagsterInstance.ephemeral() as mine, dg.DagsterInstance.ephemeral() as theirs:
        update(store, partial(news_since, mine))
        add(store, template, 1)
        assert told(update(store, partial(news_since, theirs))) == (2, 1, 0, 0)
        catalogued(mine, add(store, template, 2))
        report = update(store, partial(news_since, mine))
    assert told(report) == (3, 1, 0, 0)
    assert not report.rebuilt


@needs_extra
def test_of_two_writers_at_once_neither_loses_its_items(store: Store, template: Document, tmp_path: Path) -> None:
    update_all = [add(store, template, 0)]
    update(store, everything)
    mine, theirs = add(store, template, 1), add(store, template, 2)

    def ask(positions: Any) -> Changes:
        if theirs not in update_all:
            update_all.append(theirs)
            update(store, lambda p: Changes([theirs], {**(p or {}), "theirs": 1}))
        return Changes([mine], {**(positions or {}), "mine": 1})

    report = update(store, ask)
    assert report.attempts == 2
    assert told(report) == (3, 1, 0, 0)
    assert scenes_of(store, tmp_path / "work") == {*update_all, mine}
    assert set(read_positions(store) or {}) == {"mine", "theirs"}


@needs_extra
def test_many_writers_at_once_lose_nothing(store: Store, template: Document, tmp_path: Path) -> None:
    add(store, template, 0)
    update(store, everything)
    shares = [[add(store, template, 10 * writer + number) for number in range(2)] for writer in range(1, 4)]
    failures: list[BaseException] = []

    def work(share: list[str]) -> None:
        try:
            for scene in share:
                update(store, only(scene))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert scenes_of(store, tmp_path / "work") == {scene_id(0), *(scene for share in shares for scene in share)}
    faults = check_collection(store)
    assert (faults.invalid, faults.counts) == ([], [])


@needs_extra
def test_who_never_gets_a_turn_says_so(store: Store, template: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, template, 0)
    monkeypatch.setattr(updating.paths, "compare_and_swap", lambda *_: False)
    monkeypatch.setattr(updating.time, "sleep", lambda _: None)
    with pytest.raises(StoreError, match="one writer at a time") as caught:
        update(store, everything)
    assert caught.value.transient


@needs_extra
def test_a_writer_that_died_before_the_document_is_made_good_by_the_next(
    store: Store, template: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(store, lambda _: Changes(None)) if add(store, template, 0) else None
    new = add(store, template, 1)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(updating, "_publish", die)
        with pytest.raises(KeyboardInterrupt):
            update(store, only(new))
    assert check_collection(store).counts
    update(store, only())
    assert check_collection(store).counts == []


@needs_extra
def test_scenes_that_are_gone_drop_out(store: Store, template: Document, tmp_path: Path) -> None:
    kept, lost, deleted = (add(store, template, number) for number in range(3))
    update(store, everything)
    shutil.rmtree(store.scene(lost).folder)  # type: ignore[arg-type]
    assert told(update(store, only())) == (3, 0, 0, 0)
    assert told(update(store, everything, rebuild=True)) == (2, 0, 0, 1)
    shutil.rmtree(store.scene(deleted).folder)  # type: ignore[arg-type]
    assert told(update(store, only(deleted))) == (1, 0, 0, 1)
    assert scenes_of(store, tmp_path / "work") == {kept}
    shutil.rmtree(store.scene(kept).folder)  # type: ignore[arg-type]
    assert told(update(store, everything, rebuild=True)) == (0, 0, 0, 1)
    faults = check_collection(store)
    assert (faults.invalid, faults.counts) == ([], [])


@needs_extra
def test_documents_that_cannot_be_used_are_named_and_keep_no_other_out(
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
def test_names_in_items_are_no_sql(store: Store, template: Document, tmp_path: Path) -> None:
    evil = 'x"), (SELECT count(*) FROM read_text(\'/etc/passwd\')), sum("lc:hectares"."Forest'
    add(store, template, 0, **{"lc:hectares": {"Forest": 1.0, evil: 2.0}, f"lc:hectares_{evil}": 3.0})
    report = update(store, everything)
    assert report.collection["lc:hectares"] == {"Forest": 1.0}
    [row] = rows(store, tmp_path / "work")
    assert [name for name in row["properties"] if name.startswith("lc:hectares_")] == ["lc:hectares_Forest"]
    assert parquet._identifier('a"b') == '"a""b"'


@needs_extra
def test_duckdb_sees_no_file_but_those_of_the_work_folder(tmp_path: Path) -> None:
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
def test_items_with_values_that_no_column_takes_are_faulty_and_keep_no_other_out(
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
def test_an_item_whose_fields_do_not_go_with_the_others_is_faulty_alone(
    store: Store, template: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(store, template, 0)
    update(store, everything)
    scenes = [add(store, template, number) for number in range(1, 6)]
    merge = updating.merge

    def strict(old: Any, parts: Any, *rest: Any) -> Any:
        if any(f"{scenes[2]}_classified" in ids(part) for part in parts):
            raise parquet.SchemaConflict("STRUCT is no VARCHAR", remedy="none")
        return merge(old, parts, *rest)

    monkeypatch.setattr(updating, "merge", strict)
    report = update(store, only(*scenes))
    assert report.faulty == {scenes[2]: "STRUCT is no VARCHAR"}
    assert scenes_of(store, tmp_path / "work") == {first, *scenes} - {scenes[2]}


@needs_extra
def test_whatever_rustac_raises_is_the_items_fault(
    store: Store, template: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise Exception("from Rust")

    scene = add(store, template, 0)
    monkeypatch.setattr(parquet, "_wait", fail)
    with pytest.raises(StoreError, match=scene):
        update(store, everything)


@needs_extra
def test_folders_that_no_scene_has_are_named(store: Store, template: Document) -> None:
    add(store, template, 0)
    (Path(str(store.root)) / "scenes" / "a b").mkdir()
    report = update(store, everything)
    assert (report.items, report.faulty) == (1, {"a b": "no usable scene id"})


@needs_extra
def test_a_key_that_keeps_a_bucket_from_being_listed_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Any:
        raise OSError(5, "Encountered object with invalid path: scenes//x", "s3://bucket/scenes")

    (Path(str(store.root)) / "scenes").mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StoreError, match=r"scenes//x.* -> remove the object of that key"):
        update(store, everything)


def test_a_row_without_a_map_or_with_a_text_as_cloud_is_shown(store: Store) -> None:
    odd: Any = {"cloud": "much", "model": 5, "map": None}
    found = Found(scene=scene_id(0), datetime="2024-01-01T00:00:00Z", tile=None, **odd)
    assert str(store.scene(scene_id(0)).classified) in search_done.map_row(store, found)
    assert "? % cloud" in search_done.map_row(store, found)


@needs_extra
@pytest.mark.parametrize("content", ['{"lc:index": {"generation": 1e999}}', "[" * 200_000, "5", '{"lc:index": []}'])
def test_a_corrupt_document_of_the_collection_is_written_anew(store: Store, template: Document, content: str) -> None:
    add(store, template, 0)
    update(store, everything)
    path = Path(str(folder_of(store))) / COLLECTION_FILE
    path.write_text(content)
    assert read_positions(store) is None
    update(store, everything)
    assert json.loads(path.read_text())["lc:items"] == 1


def test_prune_finds_the_work_folder_of_a_writer_that_died(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(str(store.root))
    root.mkdir()
    with updating.scratch(store) as work:
        assert work.parent == root
        assert list(cleanup._stages(store)) == []
    assert not work.exists()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    monkeypatch.setattr(os, "getpid", lambda: dead.pid)
    with monkeypatch.context() as patch, updating.scratch(store) as work:
        patch.undo()
        assert list(cleanup._stages(store)) == [work]


def test_a_store_that_is_not_there_is_not_begun_by_a_reader(store: Store) -> None:
    with updating.scratch(store) as work:
        assert work.is_dir()
    assert not Path(str(store.root)).exists()


def test_a_scratch_folder_that_cannot_be_made_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LC_ASSETS_SCRATCH", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="LC_ASSETS_SCRATCH"), updating.scratch(Store.at("s3://bucket/maps")):
        pass


@needs_extra
def test_a_broken_index_names_the_command_that_mends_it(store: Store, template: Document, tmp_path: Path) -> None:
    scene = add(store, template, 0)
    update(store, everything)
    (Path(str(folder_of(store))) / INDEX_FILE).write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match="--rebuild"):
        update(store, everything)
    update(store, everything, rebuild=True)
    assert scenes_of(store, tmp_path / "work") == {scene}


@needs_extra
def test_the_asset_reports_and_checks_what_it_did(whole: Store) -> None:
    settings = Settings(store=whole.root)
    job = build_common_definitions(settings).resolve_job_def(UPDATE_COLLECTION)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
        [event] = result.get_asset_materialization_events()
        checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
        again = job.execute_in_process(
            instance=instance, run_config={"ops": {"collection": {"config": {"rebuild": True}}}}
        )
    shown = {key: value.value for key, value in event.materialization.metadata.items()}
    assert (shown["items"], shown["added"], shown["changed"], shown["removed"]) == (1, 1, 0, 0)
    assert {"bytes", "seconds", "bbox", "interval"} <= set(shown)
    assert checks == {"stac_valid": True, "counts_agree": True}
    assert again.success


def test_the_collection_is_apart_from_the_scenes_and_written_by_one_run_at_a_time(
    on_disk: OnDisk, tmp_path: Path
) -> None:
    scenes, common = build_definitions(), build_common_definitions()
    key = dg.AssetKey("collection")
    assert key not in scenes.resolve_asset_graph().get_all_asset_keys()
    node = common.resolve_asset_graph().get(key)
    assert node.partitions_def is None
    assert node.parent_keys == {CATALOG}
    assert node.pools == {POOL}
    with on_disk(tmp_path / "home") as instance:
        ensure_pool(instance)
        assert instance.event_log_storage.get_concurrency_info(POOL).slot_count == 1
        instance.event_log_storage.set_concurrency_slots(POOL, 2)
        ensure_pool(instance)
        assert instance.event_log_storage.get_concurrency_info(POOL).slot_count == 2, "somebody's own limit stays"


@needs_extra
def test_the_schedule_runs_only_where_something_is_new(
    store: Store, template: Document, on_disk: OnDisk, tmp_path: Path
) -> None:
    def tick(instance: dg.DagsterInstance) -> Any:
        resources = {"store": StoreResource(root=str(store.root))}
        with dg.build_schedule_context(instance=instance, resources=resources) as context:
            return collection_every_quarter(context)

    with on_disk(tmp_path / "home") as instance:
        assert isinstance(tick(instance), dg.SkipReason), "no map at all"
        catalogued(instance, add(store, template, 0))
        assert isinstance(tick(instance), dg.RunRequest)
        update(store, partial(news_since, instance))
        update(store, partial(news_since, instance))
        assert isinstance(tick(instance), dg.SkipReason)
        catalogued(instance, add(store, template, 1))
        assert isinstance(tick(instance), dg.RunRequest)
        job = build_common_definitions(Settings(store=store.root)).resolve_job_def(UPDATE_COLLECTION)
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert "under way" in str(tick(instance).skip_message)


@pytest.fixture(scope="session")
def ten(template: Document, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of ten maps and their index."""
    store = Store(tmp_path_factory.mktemp("ten") / "store")
    for number in range(10):
        tile = {"s2:mgrs_tile": "32ULC" if number else "07HFE"}
        add(store, template, number, **{"eo:cloud_cover": 10.0 * number, **tile})
    update(store, everything)
    return store


@pytest.fixture
def done(store: Store, ten: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """`lc-assets search --done` in a store of ten maps; where there is no server, and no instance."""
    shutil.copytree(ten.root, store.root)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ASSETS_STAC_URL", NOBODY)
    monkeypatch.setenv("LC_ASSETS_STORE", str(store.root))
    yield partial(invoke, "search", "--done")
    assert not (tmp_path / ".dagster").exists()


def listed(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@needs_extra
@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), range(10)),
        (("--bbox", "-150,0,-147.6,20"), (0, 1, 2)),
        (("--bbox", "-150,0,-147.6,9.9"), ()),
        (("--bbox", "170,0,-148.9,20"), (0, 1)),
        (("--datetime", "2024-02/2024-03"), (1, 2)),
        (("--datetime", "2024-09-01/.."), (8,)),
        (("--max-cloud", "20"), (0, 1, 2)),
        (("--tile", "T7HFE"), (0,)),
        (("--max-nodata", "0"), ()),
        (("--datetime", "2024-02/2024-09", "--max-cloud", "50", "--bbox", "-147.3,0,0,20"), (3, 4, 5)),
    ],
)
def test_what_is_done_is_found_by_the_filters_of_a_search(
    done: Callable[..., Result], arguments: tuple[str, ...], numbers: tuple[int, ...]
) -> None:
    assert sorted(listed(done("--ids", *arguments))) == sorted(scene_id(number) for number in numbers)


@needs_extra
def test_a_polygon_finds_footprints_and_not_their_boxes(
    store: Store, template: Document, done: Callable[..., Result], tmp_path: Path
) -> None:
    half = add(store, template, 20)
    path = Path(str(store.scene(half).folder)) / f"{half}_classified.json"
    item = json.loads(path.read_text())
    west, south, east, north = item["bbox"]
    ring = [[west, south], [east, south], [west, north], [west, south]]
    path.write_text(json.dumps(item | {"geometry": {"type": "Polygon", "coordinates": [ring]}}))
    update(store, only(half))
    empty, full = tmp_path / "empty.json", tmp_path / "full.json"
    for file, (x, y) in ((empty, (east - 0.1, north - 0.1)), (full, (west + 0.1, south + 0.1))):
        square = [[x, y], [x + 0.05, y], [x + 0.05, y + 0.05], [x, y + 0.05], [x, y]]
        file.write_text(json.dumps({"type": "Polygon", "coordinates": [square]}))
    assert listed(done("--ids", "--geometry", str(empty))) == []
    assert listed(done("--ids", "--geometry", str(full))) == [half]
    assert listed(done("--ids", "--bbox", f"{east - 0.1},{north - 0.1},{east},{north}")) == []


@needs_extra
def test_maps_across_the_antimeridian_are_found_from_both_sides(
    store: Store, template: Document, done: Callable[..., Result]
) -> None:
    across = add(store, template, 30)
    path = Path(str(store.scene(across).folder)) / f"{across}_classified.json"
    parts = [
        [[[w, 10], [e, 10], [e, 11], [w, 11], [w, 10]]]
        for w, e in ((179.5, 180), (-180, -179.5))  # two halves of one footprint
    ]
    item = json.loads(path.read_text()) | {
        "bbox": [179.5, 10, -179.5, 11],
        "geometry": {"type": "MultiPolygon", "coordinates": parts},
    }
    path.write_text(json.dumps(item))
    update(store, only(across))
    for box in ("179.6,10,179.7,11", "-179.9,10,-179.8,11", "179,10,-179,11"):
        assert listed(done("--ids", "--bbox", box)) == [across]
    assert across not in listed(done("--ids", "--bbox", "-10,10,10,11"))
    document = json.loads((Path(str(folder_of(store))) / COLLECTION_FILE).read_text())
    assert document["extent"]["spatial"]["bbox"][0][::2] == [-180, 180]


@needs_extra
def test_a_line_says_when_where_by_what_and_which_classes(
    store: Store, template: Document, done: Callable[..., Result]
) -> None:
    [line] = listed(done("--datetime", "2024-03"))
    scene = scene_id(2)
    hectares = template["properties"]["lc:hectares"]
    greatest = max(CLASSES, key=lambda c: hectares[c.name])
    for word in (
        *(scene, "2024-03-21T10:36:29", "32ULC", "20.0 % cloud", template["properties"]["lc:model"], greatest.title),
        str(store.scene(scene).classified),
    ):
        assert word in line


@needs_extra
def test_mistakes_are_told_in_one_line(done: Callable[..., Result], tmp_path: Path) -> None:
    for arguments, words in (
        (("--store", str(tmp_path / "none")), "lc-assets collection"),
        (("--bbox", "1,2"), "is no box"),
        (("--datetime", "yesterday"), "is no date"),
        (("--store", "ftp://host/x"), "s3://bucket"),
    ):
        result = done(*arguments)
        assert result.exit_code == 1
        assert words in result.stderr
        assert "Traceback" not in result.output
    assert done("--register").exit_code == 2


@pytest.mark.parametrize("name", ["rustac", "duckdb", "shapely"])
def test_without_the_extra_all_say_how_to_install_it(
    name: str, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LandCoverError, match=r"pip install '\.\[cluster\]'"):
        update(store, everything)
    for command in (["search", "--done"], ["collection"]):
        result = invoke(*command, "--store", store.root, code=1)
        assert f"needs {name}" in result.stderr
        assert "pip install '.[cluster]'" in result.stderr


@needs_extra
def test_one_command_updates_and_exports(whole: Store, template: Document, shell: Shell, tmp_path: Path) -> None:
    run = partial(shell, "collection")
    made = run()
    assert "1 items (1 added, 0 changed, 0 removed)" in made.stdout
    add(whole, template, 1)
    rebuilt = run("--rebuild")
    assert "2 items (1 added" in rebuilt.stdout
    target = tmp_path / "items.ndjson"
    run("--export", target, "--base", "https://maps.example/store")
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(lines) == 2
    for item in lines:
        assert validate_offline(item) == []
        scene = item["id"].removesuffix("_classified")
        assert item["assets"]["classified"]["href"] == (
            f"https://maps.example/store/scenes/{scene}/{scene}_classified.tif"
        )
        assert all("://" in link["href"] for link in item["links"])
    document = json.loads((tmp_path / "items.collection.json").read_text())
    assert validate_offline(document) == []
    assert document["assets"]["items"]["href"] == "https://maps.example/store/collection/items.parquet"
    (Path(str(folder_of(whole))) / INDEX_FILE).write_bytes(b"PAR1 no more")
    for arguments, words in ((("--export", str(tmp_path / "no" / "file")), "-> "), ((), "--rebuild")):
        assert words in run(*arguments, code=1).stderr


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Store]:
    with s3_store(tmp_path / "scratch") as server:
        yield Store.at(server.url)


@needs_extra
def test_the_collection_works_in_an_object_store(bucket: Store, template: Document, tmp_path: Path) -> None:
    local = Store(tmp_path / "local")

    def upload(number: int) -> str:
        scene = add(local, template, number)
        name = f"{scene}_classified.json"
        (bucket.scene(scene).folder / name).write_bytes((local.scene(scene).folder / name).read_bytes())
        return scene

    first, second, third = upload(0), upload(1), upload(2)
    assert told(update(bucket, everything)) == (3, 3, 0, 0)
    bucket.scene(third).folder.joinpath(f"{third}_classified.json").unlink()
    mine, theirs = upload(3), upload(4)
    asked: list[str] = []

    def ask(positions: Any) -> Changes:
        if not asked:
            asked.append(theirs)
            update(bucket, only(theirs))
        return Changes([mine], {})

    assert update(bucket, ask).attempts == 2
    assert told(update(bucket, everything, rebuild=True)) == (4, 0, 0, 1)
    assert scenes_of(bucket, tmp_path / "work") == {first, second, mine, theirs}
    faults = check_collection(bucket)
    assert (faults.invalid, faults.counts) == ([], [])
    found = invoke("search", "--done", "--store", bucket.root, "--datetime", "2024-02")
    assert f"{bucket.root}/scenes/{second}/{second}_classified.tif" in found.stdout
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file() or path.suffix == ".part"]


@needs_extra
def test_pgstac_takes_the_collection_and_finds_its_items(
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
    """rustac's own client; it needs DuckDB's spatial extension, of its very version, and downloads it, or takes what
    duckdb-extension-{spatial,icu,parquet} bring."""
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
    index = str(folder_of(store) / INDEX_FILE)
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
def test_any_duckdb_asks_the_index_by_plain_sql(store: Store, template: Document) -> None:
    """As the README shows it; in a process of its own, with DuckDB's own settings but for downloads."""
    for number in range(3):
        add(store, template, number, **{"lc:hectares": {"Forest": 100.0 * number, "NoData": 0.0}})
    update(store, everything)
    query = f"""
        import duckdb
        duckdb.sql("SET autoinstall_known_extensions = false")
        print(duckdb.sql('''SELECT id, "lc:hectares".Forest AS forest, assets.classified.href
            FROM '{folder_of(store)}/{INDEX_FILE}' WHERE bbox.xmin > -149.5 ORDER BY forest DESC''').fetchall())
    """
    script = "\n".join(line.strip() if "duckdb" in line else line for line in query.splitlines())
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert [row[:2] for row in eval(done.stdout)] == [
        (f"{scene_id(2)}_classified", 200.0),
        (f"{scene_id(1)}_classified", 100.0),
    ]
