"""The documents that an update reads, and scenes and files that were deleted."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

import lc_assets.defs.collection_changes
from lc_assets.core.errors import StoreError
from lc_assets.defs.collection_changes import news_since
from lc_assets.products.collection.update import read_positions, update
from lc_assets.products.collection.verify import check_collection
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE, Store
from lc_assets_tests.products.collection.store_items import (
    Document,
    add,
    catalogued,
    counts_of,
    everything,
    needs_extra,
    only,
    scenes_of,
)


@needs_extra
def test_only_scenes_with_new_records_are_read_again(store: Store, template: Document, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ask = partial(news_since, instance)
        first = [add(store, template, number) for number in range(3)]
        catalogued(instance, *first)
        assert counts_of(update(store, ask)) == (3, 3, 0, 0)
        (Path(str(store.scene(first[0]).folder)) / f"{first[0]}_classified.json").write_text("{")
        again = add(store, template, 1, updated="2030-01-01T00:00:00Z")
        new = add(store, template, 9)
        catalogued(instance, again, new)
        report = update(store, ask)
        assert counts_of(report) == (4, 1, 1, 0)
        assert not report.faulty, "the first one was not read"
        before = (Path(str(store.collection)) / INDEX_FILE).read_bytes()
        assert counts_of(update(store, ask)) == (4, 0, 0, 0)
        assert (Path(str(store.collection)) / INDEX_FILE).read_bytes() == before
    assert scenes_of(store, tmp_path / "work") == {*first, new}


@needs_extra
def test_a_record_that_becomes_visible_after_later_ones_is_not_missed(
    store: Store, template: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL assigns ids before the records are visible."""
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
        assert counts_of(update(store, partial(news_since, instance))) == (2, 2, 0, 0)
        monkeypatch.setattr(lc_assets.defs.collection_changes, "_records", records)
        assert counts_of(update(store, partial(news_since, instance))) == (3, 1, 0, 0)
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
        assert counts_of(update(store, partial(news_since, theirs))) == (2, 1, 0, 0)
        catalogued(mine, add(store, template, 2))
        report = update(store, partial(news_since, mine))
    assert counts_of(report) == (3, 1, 0, 0)
    assert not report.rebuilt


@needs_extra
@pytest.mark.slow
def test_deleted_scenes_are_removed(store: Store, template: Document, tmp_path: Path) -> None:
    kept, lost, deleted = (add(store, template, number) for number in range(3))
    update(store, everything)
    shutil.rmtree(store.scene(lost).folder)  # type: ignore[arg-type]
    assert counts_of(update(store, only())) == (3, 0, 0, 0)
    assert counts_of(update(store, everything, rebuild=True)) == (2, 0, 0, 1)
    shutil.rmtree(store.scene(deleted).folder)  # type: ignore[arg-type]
    assert counts_of(update(store, only(deleted))) == (1, 0, 0, 1)
    assert scenes_of(store, tmp_path / "work") == {kept}
    shutil.rmtree(store.scene(kept).folder)  # type: ignore[arg-type]
    assert counts_of(update(store, everything, rebuild=True)) == (0, 0, 0, 1)
    faults = check_collection(store)
    assert (faults.invalid, faults.counts) == ([], [])


@needs_extra
@pytest.mark.parametrize("content", ['{"lc:index": {"generation": 1e999}}', "[" * 200_000, "5", '{"lc:index": []}'])
def test_a_corrupt_collection_document_is_replaced(store: Store, template: Document, content: str) -> None:
    add(store, template, 0)
    update(store, everything)
    path = Path(str(store.collection)) / COLLECTION_FILE
    path.write_text(content)
    assert read_positions(store) is None
    update(store, everything)
    assert json.loads(path.read_text())["lc:items"] == 1


@needs_extra
def test_the_error_of_a_broken_index_names_the_command_that_rebuilds_it(
    store: Store, template: Document, tmp_path: Path
) -> None:
    scene = add(store, template, 0)
    update(store, everything)
    (Path(str(store.collection)) / INDEX_FILE).write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match="--rebuild"):
        update(store, everything)
    update(store, everything, rebuild=True)
    assert scenes_of(store, tmp_path / "work") == {scene}
