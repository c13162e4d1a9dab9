"""`lc-assets prune`: show what the store and the instance no longer need, and remove it with `--yes`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import click

from lc_assets.cli.instance import open_instance
from lc_assets.cli.options import settings_with, store_option, user_errors
from lc_assets.core.wording import amount, quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.core.settings import Settings
    from lc_assets.operations.cleanup import CleanupPlan, RetentionPolicy, Usage
    from lc_assets.operations.run_retention import ExpiredRuns, InUse
    from lc_assets.store.layout import Store


@click.command()
@store_option
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
@user_errors
def prune(store: str | None, keep: str | None, days: int | None, yes: bool) -> None:
    """Show what can be removed, and with --yes remove it: left-overs of dead processes, and what the options name.

    Maps and their STAC documents always stay, and so does what is in use: a scene with a run queued or under way, one
    that a backfill has still to run, or one that is being fetched. After an interrupt, the next call continues.
    """
    settings = settings_with(store)
    from lc_assets.operations.cleanup import RetentionPolicy

    run_prune(settings, RetentionPolicy(keep) if keep else None, days, yes=yes)


@dataclass
class _PrunePlan:
    """All that can be removed, and what it depends on.

    Attributes:
        finished: scenes that have a map which is up to date.
        busy: scenes that are in use.
        files: what can be removed from the store.
        runs: run records that can be removed from the instance; None if that is not asked for.
    """

    finished: set[str]
    busy: set[str]
    files: CleanupPlan
    runs: ExpiredRuns | None

    @property
    def is_empty(self) -> bool:
        return not (self.files.items or self.files.stages or self.run_ids)

    @property
    def run_ids(self) -> list[str]:
        return self.runs.runs if self.runs else []


def run_prune(
    settings: Settings,
    keep: RetentionPolicy | None,
    days: int | None,
    *,
    yes: bool,
    lease_seconds: float | None = None,
) -> None:
    """Print what can be removed, and remove it if `yes`.

    Args:
        settings: store, model, instance.
        keep: which intermediates stay; None keeps them all.
        days: age of the run records to be removed; None keeps them all.
        yes: remove it.
        lease_seconds: a fetch that has not renewed its lease for so long counts as dead; None is the lease's default.

    Raises:
        LandCoverError: the store cannot be read or written.
    """
    from lc_assets.defs.build import build_definitions
    from lc_assets.inference.loading import read_contract
    from lc_assets.operations.run_retention import InUse
    from lc_assets.store import lease
    from lc_assets.store.layout import Store

    if keep:
        read_contract(settings.model)  # raises if there is no model; without one, no map would count as stale
    with open_instance(settings) as instance:
        store = Store.at(settings.store)
        in_use = InUse(instance, build_definitions(settings))
        plan = _plan(settings, instance, store, in_use, keep, days)
        _show(plan, keep, days)
        if plan.is_empty:
            click.echo("nothing to remove")
        elif not yes:
            click.echo("nothing has been removed: --yes does it")
        else:
            seconds = lease.SECONDS if lease_seconds is None else lease_seconds
            _remove(instance, store, in_use, plan, keep, seconds)


def _plan(
    settings: Settings,
    instance: DagsterInstance,
    store: Store,
    in_use: InUse,
    keep: RetentionPolicy | None,
    days: int | None,
) -> _PrunePlan:
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.cleanup import plan_store
    from lc_assets.operations.run_retention import old_runs
    from lc_assets.operations.status import SceneStatus, scene_statuses

    statuses = scene_statuses(instance, build_definitions(settings))
    busy = in_use.all()
    # Stale and failed scenes keep their intermediates: the next run of theirs reads them.
    finished = {item for item, status in statuses.items() if status is SceneStatus.DONE}
    files = plan_store(store, finished, busy, keep)
    runs = None if days is None else old_runs(instance, datetime.now(timezone.utc) - timedelta(days=days))
    return _PrunePlan(finished, busy, files, runs)


def _show(plan: _PrunePlan, keep: RetentionPolicy | None, days: int | None) -> None:
    files, runs = plan.files, plan.runs
    if keep:
        click.echo(f"intermediates (keep {keep.value}): {_amount(files.intermediates)}")
    if files.virtual:
        kept = f"the raw bands of {quantity(files.virtual, 'scene')} are kept"
        click.echo(f"  {kept}: the stack is a virtual one, which reads from them")
    click.echo(f"left-overs of dead processes: {_amount(files.left_overs, 'place')}")
    if runs:
        click.echo(f"run records older than {days} days: {len(runs.runs)}")
        counts = {
            "because they made the newest materialisation of a scene's asset": runs.referenced_by,
            "as the newest run of their scene": runs.last,
            "because a backfill under way counts them": runs.in_use,
        }
        for why, count in counts.items():
            if count:
                click.echo(f"  {count} stay {why}")
    if plan.busy:
        click.echo(f"left alone: {quantity(len(plan.busy), 'scene')} in use")


def _remove(
    instance: DagsterInstance,
    store: Store,
    in_use: InUse,
    plan: _PrunePlan,
    keep: RetentionPolicy | None,
    lease_seconds: float,
) -> None:
    """Remove what the plan names, but for scenes that are in use by now, and print how much it was."""
    from lc_assets.operations.cleanup import Usage, remove, remove_stage
    from lc_assets.operations.run_retention import delete_run

    intermediates, left_overs, skipped, runs = Usage(), Usage(), 0, 0
    try:
        for stage in plan.files.stages:
            _add(left_overs, remove_stage(stage))
        for item in plan.files.items:
            removed = remove(
                store.scene(item),
                keep,
                finished=item in plan.finished,
                is_busy=in_use,
                lease_seconds=lease_seconds,
            )
            if removed is None:
                skipped += 1
                continue
            _add(intermediates, removed[0])
            _add(left_overs, removed[1])
        for run_id in plan.run_ids:
            delete_run(instance, run_id)
            runs += 1
    finally:  # after an interrupt, too
        click.echo(
            f"removed: {_amount(intermediates)}, of intermediates; {_amount(left_overs, 'place')}, of left-overs; "
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
