"""Places in Dagster's pools, which limit how many steps work at the same time.

A run that waits for a place inside Dagster keeps a core busy and does not hear Ctrl+C, so a command waits before its
run begins. A process that was killed leaves its place taken: it is freed here.
"""

from __future__ import annotations

import time

import dagster as dg

from lc_assets.core.progress import notify
from lc_assets.operations.keys import COLLECTION_POOL
from lc_assets.operations.runs import fail_orphaned_runs

_SECONDS = 1.0
"""Seconds between two looks at a pool without a free place."""


def ensure_collection_pool(instance: dg.DagsterInstance) -> None:
    """Set the limit of the collection's pool to one, unless it has a limit already."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits and COLLECTION_POOL not in storage.get_concurrency_keys():
        storage.set_concurrency_slots(COLLECTION_POOL, 1)


def free_places_of_ended_runs(instance: dg.DagsterInstance) -> None:
    """Free the places that runs have, or wait for, that are over."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


def is_limited(instance: dg.DagsterInstance, pool: str) -> bool:
    """Return True if a pool has a limit: its own, or the instance's default for pools."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return False
    return instance.global_op_concurrency_default_limit is not None or pool in storage.get_concurrency_keys()


def wait_for_place(instance: dg.DagsterInstance, pool: str) -> None:
    """Wait until a pool has a free place. A notice says what is waited for. A pool without a limit always has one."""
    storage = instance.event_log_storage
    told = False
    while storage.supports_global_concurrency_limits and pool in storage.get_concurrency_keys():
        taken = storage.get_concurrency_info(pool)
        if taken.active_slot_count < taken.slot_count:
            return
        fail_orphaned_runs(instance)
        free_places_of_ended_runs(instance)
        if not told:
            runs = ", ".join(sorted(run[:8] for run in taken.active_run_ids))
            notify(f"waiting for a place in the pool {pool}, which is taken by run {runs}")
            told = True
        time.sleep(_SECONDS)
