"""Runs of the command line belong to the code location that the UI shows.

The UI's timeline lists runs below their code location, and leaves out runs without one. `execute_in_process` creates
such runs, and has no argument for the code location.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from lc_assets.operations.dagster_private import (
    MAX_RETRIES_TAG,
    SINGLETON_REPOSITORY_NAME,
    RemoteRepositoryOrigin,
    location_origin_from_module_name,
)

CODE_LOCATION = "lc_assets.definitions"
"""Module and name of the code location."""


@contextmanager
def runs_in_code_location(instance: dg.DagsterInstance) -> Iterator[None]:
    """Give the runs that `execute_in_process` creates in the body the code location of the UI.

    Args:
        instance: where Dagster records the runs.
    """
    location = location_origin_from_module_name(CODE_LOCATION, attribute=None, working_directory=None)
    repository = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)
    create = instance.create_run_for_job

    def create_run(job_def: dg.JobDefinition, **arguments: Any) -> dg.DagsterRun:
        # Without this tag the daemon of a cluster would repeat a run that a user has interrupted.
        arguments["tags"] = {**(arguments.get("tags") or {}), MAX_RETRIES_TAG: "0"}
        return create(job_def, **arguments, remote_job_origin=repository.get_job_origin(job_def.name))

    instance.create_run_for_job = create_run  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        del instance.create_run_for_job
