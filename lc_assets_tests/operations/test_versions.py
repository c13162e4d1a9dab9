"""Which code version made a scene's newest map: right whatever was remembered, and no record is read twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.defs import collection_changes
from lc_assets.operations import records
from lc_assets.operations.records import code_versions, latest_storage_ids
from lc_assets_tests.conftest import OnDisk

MAP = dg.AssetKey("class_raster")
MEMORY = "lc_assets/code_versions/2/class_raster"


@pytest.fixture(params=["ephemeral", "sqlite"])
def instance(request: pytest.FixtureRequest, on_disk: OnDisk, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() if request.param == "ephemeral" else on_disk(tmp_path) as instance:
        yield instance


@pytest.fixture
def read(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records were read at each reading."""
    counts: list[int] = []
    inner = records._tags

    def counted(of: dg.DagsterInstance, asset: dg.AssetKey, records: Collection[int], tag: str) -> dict[int, str]:
        counts.append(len(records))
        return inner(of, asset, records, tag)

    monkeypatch.setattr(records, "_tags", counted)
    return counts


def make(instance: dg.DagsterInstance, item: str, version: str | None) -> None:
    tags = {"dagster/code_version": version} if version else None
    instance.report_runless_asset_event(dg.AssetMaterialization(MAP, partition=item, tags=tags))


def make_in_run(instance: dg.DagsterInstance, version: str) -> str:
    """A map made by a run of its own; that run's id."""

    @dg.asset(key=MAP, code_version=version, partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def class_raster() -> None: ...

    return dg.materialize([class_raster], instance=instance, partition_key="a").run_id


def test_no_record_is_read_twice(instance: dg.DagsterInstance, read: list[int]) -> None:
    for number in range(5):
        make(instance, f"s{number}", "1")
    assert code_versions(instance, MAP, ["s0", "s1", "unheard of"]) == {"s0": "1", "s1": "1"}
    assert code_versions(instance, MAP, ["s1", "s2"]) == {"s1": "1", "s2": "1"}
    assert code_versions(instance, MAP) == {f"s{number}": "1" for number in range(5)}
    assert code_versions(instance, MAP) == {f"s{number}": "1" for number in range(5)}
    assert read == [2, 1, 2]


def test_a_map_that_is_made_anew_is_of_the_new_version(instance: dg.DagsterInstance, read: list[int]) -> None:
    make(instance, "a", "1")
    make(instance, "b", None)
    assert code_versions(instance, MAP) == {"a": "1", "b": ""}
    make(instance, "a", "2")
    assert code_versions(instance, MAP, ["a"]) == {"a": "2"}
    assert code_versions(instance, MAP) == {"a": "2", "b": ""}
    assert read == [2, 1]


@pytest.mark.parametrize("memory", ["", "{", "[]", '{"1": 3}', '{"1": ["x"]}', '{"1": {"x": 1}}'])
def test_a_broken_memory_is_made_anew(instance: dg.DagsterInstance, memory: str) -> None:
    make(instance, "a", "1")
    instance.daemon_cursor_storage.set_cursor_values({MEMORY: memory})
    assert code_versions(instance, MAP) == {"a": "1"}
    assert code_versions(instance, MAP, ["a"]) == {"a": "1"}


def test_an_id_that_is_given_again_after_a_deletion_is_of_the_new_version(on_disk: OnDisk, tmp_path: Path) -> None:
    with on_disk(tmp_path) as instance:
        run = make_in_run(instance, "1")
        assert code_versions(instance, MAP) == {"a": "1"}
        record = latest_storage_ids(instance, MAP)["a"]
        instance.delete_run(run)
        make_in_run(instance, "2")
        assert latest_storage_ids(instance, MAP)["a"] == record, "SQLite gives the same id again"
        assert code_versions(instance, MAP, ["a"]) == {"a": "2"}
        assert code_versions(instance, MAP) == {"a": "2"}


@pytest.mark.parametrize("settled", [600.0, -1.0])
def test_news_with_an_id_that_is_given_again_are_told(
    on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: float
) -> None:
    monkeypatch.setattr(collection_changes, "SETTLED_SECONDS", settled)
    monkeypatch.setattr(collection_changes, "CATALOG", MAP)
    with on_disk(tmp_path) as instance:
        run = make_in_run(instance, "1")
        positions = collection_changes.news_since(instance, None).positions
        assert collection_changes.news_since(instance, positions).scenes == []
        assert not collection_changes.is_any_new(instance, positions)
        instance.delete_run(run)
        make_in_run(instance, "2")
        assert collection_changes.is_any_new(instance, positions)
        everything, one = None, ["a"]
        assert collection_changes.news_since(instance, positions).scenes == (everything if settled < 0 else one)


def test_a_position_of_ids_alone_begins_anew() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        make(instance, "a", "1")
        [own] = collection_changes.news_since(instance, None).positions
        assert collection_changes.news_since(instance, {own: {"cursor": 1, "beyond": [2]}}).scenes is None


def test_many_items_are_found_as_few_are(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    for item in ("a", "b", "c"):
        make(instance, item, "1")
    few = latest_storage_ids(instance, MAP, ["a", "b", "x"])
    monkeypatch.setattr(records, "FEW", 2)
    assert latest_storage_ids(instance, MAP, ["a", "b", "x"]) == few
    assert few.keys() == {"a", "b"}
    assert latest_storage_ids(instance, MAP, []) == {}
    assert latest_storage_ids(instance, MAP).keys() == {"a", "b", "c"}
