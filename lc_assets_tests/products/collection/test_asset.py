"""The asset `collection`, its checks, its place in the graph and its schedule."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.defs.collection_changes import news_since
from lc_assets.defs.resources import StoreResource
from lc_assets.defs.schedules import UPDATE_COLLECTION, update_collection_every_15_minutes
from lc_assets.operations.keys import CATALOG, COLLECTION_POOL
from lc_assets.operations.pools import ensure_collection_pool
from lc_assets.products.collection.update import update
from lc_assets.store.layout import Store
from lc_assets_tests.conftest import OnDisk
from lc_assets_tests.products.collection.store_items import Document, add, catalogued, needs_extra


@needs_extra
def test_the_asset_reports_its_changes_and_checks_the_collection(whole: Store) -> None:
    settings = Settings(store=whole.root)
    job = build_definitions(settings).resolve_job_def(UPDATE_COLLECTION)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
        [event] = result.get_asset_materialization_events()
        checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
        for config in ({}, {"rebuild": True}):
            again = job.execute_in_process(instance=instance, run_config={"ops": {"collection": {"config": config}}})
            [event_again] = again.get_asset_materialization_events()
            assert event_again.materialization.metadata["unchanged"].value == 1
    shown = {key: value.value for key, value in event.materialization.metadata.items()}
    assert (shown["items"], shown["added"], shown["changed"], shown["removed"]) == (1, 1, 0, 0)
    assert shown["unchanged"] == 0
    assert {"size_MB", "seconds", "extent"} <= set(shown)
    assert len(shown) <= 12
    assert checks == {"stac_valid": True, "counts_agree": True}


@pytest.mark.parametrize("name", ["rustac", "duckdb"])
def test_without_its_packages_the_collection_is_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    definitions = build_definitions()
    assert dg.AssetKey("collection") not in definitions.resolve_asset_graph().get_all_asset_keys()
    assert not definitions.schedules
    assert UPDATE_COLLECTION not in {job.name for job in definitions.jobs or ()}


@needs_extra
def test_the_collection_is_written_by_one_run_at_a_time(on_disk: OnDisk, tmp_path: Path) -> None:
    node = build_definitions().resolve_asset_graph().get(dg.AssetKey("collection"))
    assert node.partitions_def is None
    assert node.parent_keys == {CATALOG}
    assert node.pools == {COLLECTION_POOL}
    with on_disk(tmp_path / "home") as instance:
        ensure_collection_pool(instance)
        assert instance.event_log_storage.get_concurrency_info(COLLECTION_POOL).slot_count == 1
        instance.event_log_storage.set_concurrency_slots(COLLECTION_POOL, 2)
        ensure_collection_pool(instance)
        assert instance.event_log_storage.get_concurrency_info(COLLECTION_POOL).slot_count == 2, (
            "a limit that the user has set stays"
        )


@needs_extra
def test_the_schedule_runs_only_if_there_are_changes(
    store: Store, template: Document, on_disk: OnDisk, tmp_path: Path
) -> None:
    def tick(instance: dg.DagsterInstance) -> Any:
        resources = {"store": StoreResource(root=str(store.root))}
        with dg.build_schedule_context(instance=instance, resources=resources) as context:
            return update_collection_every_15_minutes(context)

    with on_disk(tmp_path / "home") as instance:
        assert isinstance(tick(instance), dg.SkipReason), "no map at all"
        catalogued(instance, add(store, template, 0))
        assert isinstance(tick(instance), dg.RunRequest)
        update(store, partial(news_since, instance))
        update(store, partial(news_since, instance))
        assert isinstance(tick(instance), dg.SkipReason)
        catalogued(instance, add(store, template, 1))
        assert isinstance(tick(instance), dg.RunRequest)
        job = build_definitions(Settings(store=store.root)).resolve_job_def(UPDATE_COLLECTION)
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert "queued or running" in str(tick(instance).skip_message)
