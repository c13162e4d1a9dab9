"""`lc-assets prune`: show what the store and the instance no longer need, and remove it with `--yes`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import click

from lc_assets.cli.options import with_session
from lc_assets.cli.session import Session
from lc_assets.core.wording import amount, quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.operations.cleanup import CleanupPlan, RetentionPolicy, Usage
    from lc_assets.operations.run_retention import ExpiredRuns, InUse


@click.command()
@click.option(
    "--keep",
    type=click.Choice(["raw", "stack", "none"]),
    help="Remove intermediates of finished scenes but these: raw keeps the raw bands, stack a written stack "
    "(LC_ASSETS_STACK=cog; a virtual one reads from the raw bands, so they stay), none keeps neither.  "
    "[default: all stay]",
)
@click.option(
    "--runs-older-than",
    "days",
    type=click.IntRange(min=0, max=36500),
    metavar="DAYS",
    help="Remove records of finished runs that Dagster needs no more.",
)
@click.option("--yes", is_flag=True, help="Remove it. Without --yes, prune only shows what would be removed.")
@with_session
def prune(session: Session, keep: str | None, days: int | None, yes: bool) -> None:
    """Show what can be removed, and with --yes remove it: files of dead processes, and what the options name.

    Maps and their STAC documents always stay, and so does what is in use: a scene with a queued or running run, one
    that a backfill will still run, or one that is being fetched. After an interrupt, the next call continues.
    """
    from lc_assets.operations.cleanup import RetentionPolicy

    run_prune(session, RetentionPolicy(keep) if keep else None, days, yes=yes)


def run_prune(session: Session, keep: RetentionPolicy | None, days: int | None, *, yes: bool) -> None:
    """Print what can be removed, and remove it if `yes`.

    Args:
        session: store, model, instance.
        keep: which intermediates stay; None keeps them all.
        days: age of the run records to be removed; None keeps them all.
        yes: remove it.

    Raises:
        LandCoverError: the store cannot be read or written.
    """
    from lc_assets.operations.cleanup import plan_store
    from lc_assets.operations.run_retention import ExpiredRuns, InUse, old_runs
    from lc_assets.operations.status import SceneStatus, scene_statuses

    if keep:
        session.contract()
    with session.open_instance() as instance:
        in_use = InUse(instance, session.definitions)
        statuses = scene_statuses(instance, session.definitions, session.store)
        busy = in_use.all()
        # Stale and failed scenes keep their intermediates: the next run of theirs reads them.
        finished = {item for item, status in statuses.items() if status is SceneStatus.DONE}
        files, runs = plan_store(session.store, finished, busy, keep), ExpiredRuns()
        _show_files(files, keep)
        if days is not None:
            runs = old_runs(instance, datetime.now(timezone.utc) - timedelta(days=days))
            _show_runs(runs, days)
        if busy:
            click.echo(f"left alone: {quantity(len(busy), 'scene')} in use")
        if not (files.items or files.stages or runs.runs):
            click.echo("nothing to remove")
        elif not yes:
            click.echo("nothing has been removed: --yes removes it")
        else:
            _remove(session, instance, in_use, files, runs, keep, finished)


def _show_files(files: CleanupPlan, keep: RetentionPolicy | None) -> None:
    if keep:
        click.echo(f"intermediates (keep {keep.value}): {_amount(files.intermediates)}")
    if files.virtual:
        kept = f"the raw bands of {quantity(files.virtual, 'scene')} are kept"
        click.echo(f"  {kept}: the stack is a virtual one, which reads from them")
    click.echo(f"files of dead processes: {_amount(files.left_overs, 'folder')}")


def _show_runs(runs: ExpiredRuns, days: int) -> None:
    click.echo(f"run records older than {days} days: {len(runs.runs)}")
    counts = {
        "because they made the newest materialisation of a scene's asset": runs.referenced_by,
        "as the newest run of their scene": runs.last,
        "because an unfinished backfill counts them": runs.in_use,
    }
    for why, count in counts.items():
        if count:
            click.echo(f"  {count} stay {why}")


def _remove(
    session: Session,
    instance: DagsterInstance,
    in_use: InUse,
    files: CleanupPlan,
    records: ExpiredRuns,
    keep: RetentionPolicy | None,
    finished: set[str],
) -> None:
    """Remove what the plans name, but for scenes that are in use by now, and print how much it was."""
    from lc_assets.operations.cleanup import Usage, remove, remove_stage
    from lc_assets.operations.run_retention import delete_run

    intermediates, left_overs, skipped, runs = Usage(), Usage(), 0, 0
    try:
        for stage in files.stages:
            _add(left_overs, remove_stage(stage))
        for item in files.items:
            removed = remove(session.store.scene(item), keep, finished=item in finished, is_busy=in_use)
            if removed is None:
                skipped += 1
                continue
            _add(intermediates, removed[0])
            _add(left_overs, removed[1])
        for run_id in records.runs:
            delete_run(instance, run_id)
            runs += 1
    finally:  # after an interrupt, too
        click.echo(
            f"removed: {_amount(intermediates)}, of intermediates; {_amount(left_overs, 'folder')}, of dead processes; "
            f"{quantity(runs, 'run record')}"
        )
        if skipped:
            click.echo(f"left alone: {quantity(skipped, 'scene')} in use since then")


def _add(total: Usage, part: Usage) -> None:
    total.places += part.places
    total.files += part.files
    total.size += part.size


def _amount(usage: Usage, where: str = "scene") -> str:
    return f"{quantity(usage.files, 'file')} in {quantity(usage.places, where)}, {amount(usage.size)}"
