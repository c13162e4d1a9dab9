"""Queues runs, each with tags for the code and the model that it needs."""

from __future__ import annotations

from dagster import DagsterRun, QueuedRunCoordinator, SubmitRunContext

from lc_assets.cluster.published_identity import own_pins


class PinningRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue of runs. Every run from the UI, a sensor or a backfill gets the tags of `own_pins`.

    A run that has such a tag already keeps it.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Add the missing tags to a run and queue it."""
        run = context.dagster_run
        missing = {key: value for key, value in own_pins().items() if key not in run.tags}
        if missing:
            self._instance.add_run_tags(run.run_id, missing)
        return super().submit_run(context)
