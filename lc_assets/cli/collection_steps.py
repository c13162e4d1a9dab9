"""What `lc-assets collection` does and shows."""

from __future__ import annotations

import os
import socket
from typing import Any

import click
import dagster as dg

from lc_assets.cli.instance import open_instance
from lc_assets.core.errors import LandCoverError
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_common_definitions
from lc_assets.defs.collection_changes import ensure_pool
from lc_assets.defs.schedules import UPDATE_COLLECTION
from lc_assets.operations.keys import HOST_TAG, PID_TAG


def update_collection_now(settings: Settings, *, rebuild: bool) -> None:
    """Materialise the collection in this process, and say what became of it.

    Raises:
        LandCoverError: it could not be updated, or what was written is not valid.
    """
    with open_instance(settings) as instance:
        ensure_pool(instance)
        try:
            result = (
                build_common_definitions(settings)
                .resolve_job_def(UPDATE_COLLECTION)
                .execute_in_process(
                    instance=instance,
                    run_config={
                        "ops": {"collection": {"config": {"rebuild": rebuild}}},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                    tags={HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())},
                )
            )
        except dg.Failure as failure:
            words = {key: value.value for key, value in failure.metadata.items()}
            raise LandCoverError(
                str(words.get("problem") or failure.description),
                remedy=str(words.get("remedy") or "look at the run in the UI"),
            ) from None
        [event] = result.get_asset_materialization_events()
        _show({key: value.value for key, value in event.materialization.metadata.items()})
        for check in result.get_asset_check_evaluations():
            if not check.passed:
                faults = str(check.metadata["faults"].value)
                click.secho(f"warning: {check.check_name}: {faults[:2000]}", fg="yellow", err=True)


def _show(report: dict[str, Any]) -> None:
    how = "made from the scenes of the store" if report["rebuilt"] else "appended"
    click.echo(
        f"{report['items']} items ({report['added']} added, {report['changed']} changed, {report['removed']} removed), "
        f"{how} in {report['seconds']:.1f} s, {report['bytes'] / 1e6:.1f} MB"
    )
    for name in ("collection", "index"):
        click.echo(f"  {report[name]}")
