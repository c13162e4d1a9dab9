"""Which maps were made by another model, or by older code: what `lc-assets stale` lists and hands to a backfill.

Dagster keeps the code version with each materialisation, and `lc_assets.definitions` makes the model's checksum a part
of class_raster's. The UI shows the same per partition; here it is asked of all partitions in one pass over the records.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from lc_assets.assets import class_raster
from lc_assets.assets.class_raster import MODEL_TAG
from lc_assets.errors import LandCoverError
from lc_assets.jobs import CLASSIFY
from lc_assets.partitions import SCENES

CODE_VERSION_TAG = "dagster/code_version"
"""Tag in which Dagster keeps an asset's code version with each of its materialisations."""
PARTITION_TAG = "dagster/partition"
PAGE = 1000
"""Records read at a time, and items handed to one `dagster job backfill`: 60 kB of ids, half of what Linux takes as one
argument."""


def stale_items(instance: dg.DagsterInstance, definitions: dg.Definitions) -> list[str]:
    """Registered items that have a class map whose newest materialisation is of another code version than
    class_raster's in `definitions`; in the order of the partitions. Items without a map are not stale but missing."""
    current = definitions.resolve_asset_graph().get(class_raster.key).code_version
    made = dict(reversed(list(_versions(instance))))
    return [item for item in instance.get_dynamic_partitions(SCENES) if item in made and made[item] != current]


def _versions(instance: dg.DagsterInstance) -> Iterator[tuple[str, str | None]]:
    """(item, code version) of every class map ever recorded, newest first."""
    cursor = None
    while True:
        page = instance.fetch_materializations(class_raster.key, limit=PAGE, cursor=cursor)
        for record in page.records:
            materialisation = record.asset_materialization
            if materialisation and record.partition_key:
                yield record.partition_key, (materialisation.tags or {}).get(CODE_VERSION_TAG)
        if not page.has_more:
            return
        cursor = page.cursor


def waiting_items(instance: dg.DagsterInstance) -> set[str]:
    """Items of which a run is queued or under way."""
    unfinished = dg.RunsFilter(job_name=CLASSIFY, statuses=[*NOT_FINISHED_STATUSES])
    return {run.tags.get(PARTITION_TAG, "") for run in instance.get_runs(unfinished)}


def queue_backfill(items: Sequence[str], fingerprint: str, tell: Callable[[str], None]) -> None:
    """Queue a run of all five assets for each item, by Dagster's own command; a daemon works them off.

    Args:
        items: STAC item ids.
        fingerprint: of the model that is meant; class_raster refuses to run with another one.
        tell: called with a line of progress.

    Raises:
        LandCoverError: Dagster refused.
    """
    tags = json.dumps({MODEL_TAG: fingerprint})
    for start in range(0, len(items), PAGE):
        part = items[start : start + PAGE]
        command = [sys.executable, "-m", "dagster", "job", "backfill", "-m", "lc_assets.definitions", "-j", CLASSIFY]
        command += ["--partitions", ",".join(part), "--tags", tags, "--noprompt"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise LandCoverError(
                f"Dagster did not queue a backfill of {len(part)} items ({last[:300]})",
                remedy="check DAGSTER_HOME, then run it again",
            )
        tell(f"queued: {start + len(part)} of {len(items)}")
