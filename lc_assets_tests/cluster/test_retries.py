"""A worker marks a run for Dagster's retry before the run has failed, if only a service was unavailable."""

from functools import partial

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.runs import SqlRunStorage

from lc_assets.cluster.dagster_private import execute_run_command_body
from lc_assets.cluster.retries import note_event
from lc_assets.core.errors import LandCoverError
from lc_assets.defs.failures import raise_as_dagster_failure

RETRY = "dagster/retry_on_asset_or_op_failure"


@dg.job(executor_def=dg.in_process_executor)
def failing() -> None:
    @dg.op(config_schema=bool)
    def asset(context: dg.OpExecutionContext) -> None:
        with raise_as_dagster_failure():
            raise LandCoverError("the store refuses writes", remedy="try again", transient=context.op_config)

    asset()


@pytest.mark.parametrize(("transient", "inherited"), [(True, {}), (False, {}), (False, {RETRY: "true"})])
def test_a_run_is_marked_for_its_retry_before_it_has_failed_if_the_reason_is_transient(
    transient: bool, inherited: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else Dagster's daemons may see the failed run first, and never retry it. A retry has its parent's tags."""
    seen: list[dict[str, str]] = []
    handle = SqlRunStorage.handle_run_event

    def handled(self: SqlRunStorage, run_id: str, event: dg.DagsterEvent, *rest: object) -> None:
        if event.event_type == dg.DagsterEventType.RUN_FAILURE:
            seen.append(dict(self.get_runs(dg.RunsFilter([run_id]))[0].tags))
        handle(self, run_id, event, *rest)

    monkeypatch.setattr(SqlRunStorage, "handle_run_event", handled)
    monkeypatch.setenv("SF_PARTNER", "DagsterLabs_Dagster")  # Dagster sets it, and nothing unsets it
    settings = {"run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}}
    job = dg.reconstructable(failing)
    with dg.DagsterInstance.ephemeral(settings=settings) as instance:
        run = instance.create_run_for_job(
            failing,
            run_config={"ops": {"asset": {"config": transient}}},
            tags=inherited,
            status=DagsterRunStatus.STARTING,
            job_code_origin=job.get_python_origin(),
        )
        execute_run_command_body(run.run_id, instance, partial(note_event, instance, run.run_id), False)
        after = instance.get_run_by_id(run.run_id)
        assert after and after.status == DagsterRunStatus.FAILURE
        assert after.tags["dagster/will_retry"] == str(transient).lower()
    [tags] = seen
    assert (tags.get("dagster/will_retry") == "true") == transient
    assert (tags.get(RETRY) == "true") == transient
