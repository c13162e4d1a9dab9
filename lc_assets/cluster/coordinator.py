"""Queue runs, each with the code and the model that are meant for it."""

from __future__ import annotations

from dagster import DagsterRun, QueuedRunCoordinator, SubmitRunContext

from lc_assets.cluster.published_identity import own_pins


class PinningRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue; every run that enters it, from the UI, a sensor or a backfill, is stamped with `own_pins`
    where it does not bring its own."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Stamp and queue a run."""
        run = context.dagster_run
        missing = {key: value for key, value in own_pins().items() if key not in run.tags}
        if missing:
            self._instance.add_run_tags(run.run_id, missing)
        return super().submit_run(context)
