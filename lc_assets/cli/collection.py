"""`lc-assets collection`: update the STAC collection of all maps of the store, or export its items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lc_assets.cli.options import echo_warning, with_session
from lc_assets.cli.session import Session
from lc_assets.core.errors import LandCoverError
from lc_assets.core.progress import progress_callbacks
from lc_assets.core.wording import quantity


@click.command()
@click.option("--rebuild", is_flag=True, help="Read every scene of the store, not only what is new.")
@click.option(
    "--export",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all items into this file, one JSON a line, with whole URLs: what pypgstac loads. Nothing is updated.",
)
@click.option(
    "--base", metavar="URL", help="With --export: where others reach the store.  [default: the store's own URL]"
)
@with_session
def collection(session: Session, rebuild: bool, target: Path | None, base: str | None) -> None:
    """Bring the collection of all maps up to date: <store>/collection/collection.json and items.parquet.

    Scenes catalogued since the last update are appended; the first update reads every scene of the store.
    """
    if base is not None and not target:
        raise click.UsageError("--base is for --export")
    if target and rebuild:
        raise click.UsageError("give --rebuild or --export, not both")
    from lc_assets.products.collection.export import export_items
    from lc_assets.products.collection.extras import check_tools

    check_tools()
    if target:
        written = export_items(session.store, target, base)
        click.echo(f"{quantity(written, 'item')}, and {target.with_suffix('.collection.json')}")
    else:
        _update(session, rebuild=rebuild)


def _update(session: Session, *, rebuild: bool) -> None:
    """Materialise the asset `collection` in this process, and print a summary and the warnings of its checks.

    Raises:
        LandCoverError: the collection cannot be updated.
    """
    import dagster as dg

    from lc_assets.defs.schedules import UPDATE_COLLECTION
    from lc_assets.operations.code_location import runs_in_code_location
    from lc_assets.operations.keys import COLLECTION_POOL
    from lc_assets.operations.pools import ensure_collection_pool, wait_for_place
    from lc_assets.operations.runs import process_tags

    with session.open_instance() as instance:
        ensure_collection_pool(instance)
        with progress_callbacks(None, lambda line: click.echo(line, err=True)):
            wait_for_place(instance, COLLECTION_POOL)
        job = session.definitions.resolve_job_def(UPDATE_COLLECTION)
        try:
            with runs_in_code_location(instance):
                result = job.execute_in_process(
                    instance=instance,
                    run_config={
                        "ops": {"collection": {"config": {"rebuild": rebuild}}},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                    tags=process_tags(),
                )
        except dg.Failure as failure:
            metadata = {name: value.value for name, value in failure.metadata.items()}
            raise LandCoverError(
                str(metadata.get("problem") or failure.description),
                remedy=str(metadata.get("remedy") or "look at the run in the UI"),
            ) from None
        [event] = result.get_asset_materialization_events()
        _show({name: value.value for name, value in event.materialization.metadata.items()})
        for check in result.get_asset_check_evaluations():
            if not check.passed:
                faults = str(check.metadata["faults"].value)
                echo_warning(f"{check.check_name}: {faults[:2000]}")


def _show(metadata: dict[str, Any]) -> None:
    """Print how many items changed, in which time, and where the files are."""
    how = "made from the scenes of the store" if metadata["rebuilt"] else "appended"
    click.echo(
        f"{quantity(metadata['items'], 'item')} ({metadata['added']} added, {metadata['changed']} changed, "
        f"{metadata['removed']} removed), {how} in {metadata['seconds']:.1f} s, {metadata['size_MB']:.1f} MB"
    )
    for name in ("collection", "index"):
        click.echo(f"  {metadata[name]}")
