"""One evaluation of a sensor, without a daemon."""

from __future__ import annotations

import dagster as dg


def sensor_context(
    definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None, *resources: str
) -> dg.SensorEvaluationContext:
    """Return a sensor's context as the daemon makes it: with a reference to the instance, to check run requests.

    Args:
        definitions: of the code location.
        instance: Dagster's instance.
        cursor: the sensor's cursor.
        resources: names of the resources that the sensor uses.
    """
    return dg.SensorEvaluationContext(
        instance_ref=instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        log_key=None,
        repository_name=None,
        repository_def=definitions.get_repository_def(),
        instance=instance,
        resources={name: (definitions.resources or {})[name] for name in resources},
    )
