"""The names that `cluster` uses from Dagster's private modules (`dagster._...`). Other modules import them from here.

Written for dagster==1.13.27, the version that setup.cfg pins. Private modules change without notice. After an upgrade
run `lc_assets_tests/operations/test_dagster_private.py`: it lists the names that are missing.
"""

from __future__ import annotations

from dagster._cli.api import _execute_run_command_body as execute_run_command_body
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import (
    MAX_RETRIES_TAG,
    RETRY_ON_ASSET_OR_OP_FAILURE_TAG,
    RETRY_STRATEGY_TAG,
    WILL_RETRY_TAG,
)
from dagster._serdes import ConfigurableClassData
from dagster._utils.interrupts import capture_interrupts

__all__ = [
    "MAX_RETRIES_TAG",
    "RETRY_ON_ASSET_OR_OP_FAILURE_TAG",
    "RETRY_STRATEGY_TAG",
    "WILL_RETRY_TAG",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "LaunchRunContext",
    "ReexecutionStrategy",
    "WorkerStatus",
    "capture_interrupts",
    "execute_run_command_body",
]
