"""What `lc-assets prune` does and shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import click
from dagster import DagsterInstance

from lc_assets.cli.instance import open_instance
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.inference.loading import read_contract
from lc_assets.operations.cleanup import (
    CleanupPlan,
    RetentionPolicy,
    Usage,
    plan_store,
    remove,
    remove_stage,
)
from lc_assets.operations.run_retention import ExpiredRuns, InUse, delete_run, old_runs
from lc_assets.operations.status import SceneStatus, scene_statuses
from lc_assets.store import lease
from lc_assets.store.layout import Store


@dataclass
class _Wanted:
    """All that would be removed.

    Attributes:
        finished: scenes whose map is there and up to date.
        busy: scenes that are in use.
    """

    finished: set[str]
    busy: set[str]
    plan: CleanupPlan
    runs: ExpiredRuns = field(default_factory=ExpiredRuns)


def run_prune(
    settings: Settings,
    keep: RetentionPolicy | None,
    days: int | None,
    *,
    yes: bool,
    lease_seconds: float = lease.SECONDS,
) -> None:
    """Tell what can be removed, and remove it if `yes`.

    Args:
        settings: store, instance, STAC API.
        keep: policy for intermediates; None leaves them all.
        days: age of run records to be removed; None leaves them all.
        yes: whether it is done.
        lease_seconds: after so long without renewal a fetch's lease is taken for a dead one's.

    Raises:
        LandCoverError: the store cannot be read or written.
    """
    if keep:
        read_contract(settings.model)  # a model that is not there makes no map stale
    with open_instance(settings) as instance:
        store = Store.at(settings.store)
        in_use = InUse(instance, build_definitions(settings))
        wanted = _decide(settings, instance, store, in_use, keep, days)
        _tell(wanted, keep, days)
        if not _anything(wanted):
            click.echo("nothing to remove")
        elif not yes:
            click.echo("nothing has been removed: --yes does it")
        else:
            _do(instance, store, in_use, wanted, keep, lease_seconds)


def _decide(
    settings: Settings,
    instance: DagsterInstance,
    store: Store,
    in_use: InUse,
    keep: RetentionPolicy | None,
    days: int | None,
) -> _Wanted:
    stand = scene_statuses(instance, build_definitions(settings))
    busy = in_use.all()
    # A stale map is made again from what is there, a failed one too.
    finished = {item for item, standing in stand.items() if standing is SceneStatus.DONE}
    wanted = _Wanted(finished, busy, plan_store(store, finished, busy, keep))
    if days is not None:
        wanted.runs = old_runs(instance, datetime.now(timezone.utc) - timedelta(days=days))
    return wanted


def _anything(wanted: _Wanted) -> bool:
    return bool(wanted.plan.items or wanted.plan.stages or wanted.runs.runs)


def _tell(wanted: _Wanted, keep: RetentionPolicy | None, days: int | None) -> None:
    plan, runs = wanted.plan, wanted.runs
    if keep:
        click.echo(f"intermediates (keep {keep.value}): {_amount(plan.intermediates)}")
    if plan.virtual:
        click.echo(f"  {plan.virtual} scenes keep their raw bands: their stack is a virtual one, which reads from them")
    click.echo(f"left-overs of dead processes: {_amount(plan.left_overs, 'places')}")
    if days is not None:
        click.echo(f"run records older than {days} days: {len(runs.runs)}")
        kept = {
            "because the newest materialisation of a scene's asset rests on them": runs.referenced_by,
            "as the newest run of their scene": runs.last,
            "because a backfill under way counts them": runs.in_use,
        }
        for why, count in kept.items():
            if count:
                click.echo(f"  {count} stay {why}")
    if wanted.busy:
        click.echo(f"{len(wanted.busy)} scenes are in use and left alone")


def _do(
    instance: DagsterInstance,
    store: Store,
    in_use: InUse,
    wanted: _Wanted,
    keep: RetentionPolicy | None,
    lease_seconds: float,
) -> None:
    freed, left, skipped, runs = Usage(), Usage(), 0, 0
    try:
        for stage in wanted.plan.stages:
            _add(left, remove_stage(stage))
        for item in wanted.plan.items:
            done = remove(
                store.scene(item),
                keep,
                finished=item in wanted.finished,
                is_busy=in_use,
                lease_seconds=lease_seconds,
            )
            if done is None:
                skipped += 1
                continue
            _add(freed, done[0])
            _add(left, done[1])
        for run in wanted.runs.runs:
            delete_run(instance, run)
            runs += 1
    finally:  # also of what is interrupted
        click.echo(
            f"removed: {_amount(freed)}, of intermediates; {_amount(left, 'places')}, of left-overs; {runs} run records"
        )
        if skipped:
            click.echo(f"{skipped} scenes have come into use meanwhile and were left alone")


def _add(total: Usage, part: Usage) -> None:
    total.places += part.places
    total.files += part.files
    total.size += part.size


def _amount(amount: Usage, where: str = "scenes") -> str:
    return f"{amount.files} files in {amount.places} {where}, {_bytes(amount.size)}"


def _bytes(size: int) -> str:
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
