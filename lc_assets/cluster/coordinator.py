"""Tag each run with the code and the model that it needs, and queue it."""

from __future__ import annotations

from dagster import DagsterRun, QueuedRunCoordinator, SubmitRunContext

from lc_assets.cluster.published_identity import identity_tags


class PinningRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue of runs. Every run from the UI, a sensor or a backfill gets the tags of `identity_tags`.

    A tag that a run already has is not changed.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Add the missing tags to a run and queue it."""
        run = context.dagster_run
        missing = {key: value for key, value in identity_tags().items() if key not in run.tags}
        if missing:
            self._instance.add_run_tags(run.run_id, missing)
        return super().submit_run(context)
