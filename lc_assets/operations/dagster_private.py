"""The names that `operations` and `defs` use from Dagster's private modules (`dagster._...`). Other modules import them
from here.

Written for dagster==1.13.27, the version that setup.cfg pins. Private modules change without notice. After an upgrade
run `lc_assets_tests/operations/test_dagster_private.py`: it lists the names that are missing.
"""

from __future__ import annotations

from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.utils import make_new_backfill_id

__all__ = [
    "FINISHED_STATUSES",
    "NOT_FINISHED_STATUSES",
    "AssetCheckExecutionRecordStatus",
    "BulkActionStatus",
    "BulkActionsFilter",
    "PartitionBackfill",
    "SqlEventLogStorage",
    "SqlEventLogStorageTable",
    "make_new_backfill_id",
]
