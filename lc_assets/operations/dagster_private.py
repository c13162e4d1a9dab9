"""The names that `operations` and `defs` use from Dagster's private modules (`dagster._...`). Other modules import them
from here.

Written for dagster==1.13.27, the version that setup.cfg pins. Private modules change without notice. After an upgrade
run `lc_assets_tests/operations/test_dagster_private.py`: it lists the names that are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._core.utils import make_new_backfill_id
from dagster._core.workspace.load import location_origin_from_module_name

if TYPE_CHECKING:
    from dagster._core.storage.event_log.base import EventLogStorage
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from sqlalchemy import Table

__all__ = [
    "FINISHED_STATUSES",
    "MAX_RETRIES_TAG",
    "NOT_FINISHED_STATUSES",
    "SINGLETON_REPOSITORY_NAME",
    "AssetCheckExecutionRecordStatus",
    "BulkActionStatus",
    "BulkActionsFilter",
    "PartitionBackfill",
    "RemoteRepositoryOrigin",
    "location_origin_from_module_name",
    "make_new_backfill_id",
    "sql_event_log",
]


def sql_event_log(storage: EventLogStorage) -> tuple[SqlEventLogStorage, Table] | None:
    """Return an event log storage and its SQL table, or None if it is not one of Dagster's own storages.

    The modules are imported here, because they import Alembic, which takes long.
    """
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    return (storage, SqlEventLogStorageTable) if isinstance(storage, SqlEventLogStorage) else None
