"""What `lc-assets prune` does and shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import click
from dagster import DagsterInstance

from lc_assets.cli.instance import open_instance
from lc_assets.core.errors import StoreError
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.inference.loading import read_contract
from lc_assets.operations.cleanup import (
    CleanupPlan,
    RetentionPolicy,
    Usage,
    is_finished,
    plan_store,
    remove,
    remove_stage,
)
from lc_assets.operations.gone import Gone, gone_items
from lc_assets.operations.keys import SCENES
from lc_assets.operations.run_retention import ExpiredRuns, InUse, delete_run, old_runs
from lc_assets.operations.status import SceneStatus, scene_statuses
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.store import lease
from lc_assets.store.layout import Store


@dataclass
class _Wanted:
    """All that would be removed.

    Attributes:
        finished: scenes whose map is there and up to date.
        busy: scenes that are in use.
        gone: scenes to be taken out of the partitions.
        maps: how many of those have a map, which stays.
    """

    finished: set[str]
    busy: set[str]
    plan: CleanupPlan
    gone: Gone = field(default_factory=Gone)
    maps: int = 0
    runs: ExpiredRuns = field(default_factory=ExpiredRuns)


def run_prune(
    settings: Settings,
    keep: RetentionPolicy | None,
    days: int | None,
    *,
    gone: bool,
    yes: bool,
    lease_seconds: float = lease.SECONDS,
) -> None:
    """Tell what can be removed, and remove it if `yes`.

    Args:
        settings: store, instance, STAC API.
        keep: policy for intermediates; None leaves them all.
        days: age of run records to be removed; None leaves them all.
        gone: whether scenes whose item has gone are taken out.
        yes: whether it is done.
        lease_seconds: after so long without renewal a fetch's lease is taken for a dead one's.

    Raises:
        LandCoverError: the store cannot be read or written; with `gone`, the catalog cannot be reached: then nothing is
            removed.
    """
    if keep:
        read_contract(settings.model)  # a model that is not there makes no map stale
    with open_instance(settings) as instance:
        store = Store.at(settings.store)
        in_use = InUse(instance, build_definitions(settings))
        wanted = _decide(settings, instance, store, in_use, keep, days, gone)
        _tell(wanted, keep, days, gone)
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
    gone: bool,
) -> _Wanted:
    stand = scene_statuses(instance, build_definitions(settings))
    busy = in_use.all()
    # A stale map is made again from what is there, a failed one too.
    finished = {item for item, standing in stand.items() if standing is SceneStatus.DONE}
    lost = (
        gone_items(StacCatalogClient.of(settings), store, [item for item in stand if item not in busy])
        if gone
        else Gone()
    )
    plan = plan_store(store, finished, set(lost.items), busy, keep)
    wanted = _Wanted(finished, busy, plan, lost, sum(is_finished(store.scene(item)) for item in lost.items))
    if days is not None:
        wanted.runs = old_runs(instance, datetime.now(timezone.utc) - timedelta(days=days))
    return wanted


def _anything(wanted: _Wanted) -> bool:
    return bool(wanted.plan.items or wanted.plan.stages or wanted.gone.items or wanted.runs.runs)


def _tell(wanted: _Wanted, keep: RetentionPolicy | None, days: int | None, gone: bool) -> None:
    plan, runs = wanted.plan, wanted.runs
    if keep:
        click.echo(f"intermediates (keep {keep.value}): {_amount(plan.intermediates)}")
    if plan.virtual:
        click.echo(f"  {plan.virtual} scenes keep their raw bands: their stack is a virtual one, which reads from them")
    click.echo(f"left-overs of dead processes: {_amount(plan.left_overs, 'places')}")
    if days is not None:
        click.echo(f"run records older than {days} days: {len(runs.runs)}")
        kept = {
            "because the newest materialisation of a scene's asset rests on them": runs.rested_on,
            "as the newest run of their scene": runs.last,
            "because a backfill under way counts them": runs.in_use,
        }
        for why, count in kept.items():
            if count:
                click.echo(f"  {count} stay {why}")
    if gone:
        click.echo(f"scenes whose item has gone: {len(wanted.gone.items)}")
        if wanted.maps:
            click.echo(f"  {wanted.maps} of them have a map, which stays in the store")
        if wanted.gone.elsewhere:
            click.echo(f"  {wanted.gone.elsewhere} that are of another catalog, or cannot be seen now, count as there")
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
    freed, left, keys, skipped = Usage(), Usage(), 0, 0
    runs = 0
    gone = set(wanted.gone.items)
    try:
        for stage in wanted.plan.stages:
            _add(left, remove_stage(stage))
        # One that has gone has a key to remove, whether or not it has files.
        for item in dict.fromkeys([*wanted.plan.items, *wanted.gone.items]):
            done = remove(
                store.scene(item),
                keep,
                finished=item in wanted.finished,
                gone=item in gone,
                is_busy=in_use,
                lease_seconds=lease_seconds,
            )
            if done is None:
                skipped += 1
                continue
            _add(freed, done[0])
            _add(left, done[1])
            if item in gone:
                keys += _forget(instance, store, item, in_use)
        for run in wanted.runs.runs:
            delete_run(instance, run)
            runs += 1
    finally:  # also of what is interrupted
        click.echo(
            f"removed: {_amount(freed)}, of intermediates; {_amount(left, 'places')}, of left-overs; "
            f"{keys} scenes that have gone; {runs} run records"
        )
        if skipped:
            click.echo(f"{skipped} scenes have come into use meanwhile and were left alone")


def _forget(instance: DagsterInstance, store: Store, item: str, in_use: InUse) -> bool:
    """Take a scene out of register and partitions. The key goes last: while it is there, the next call finds it."""
    if in_use(item):
        return False
    try:
        store.registered(item).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{store.registered(item)} cannot be removed ({error.strerror or error})",
            item=item,
            remedy="check the permissions there, then run it again: it goes on with what is left",
        ) from None
    instance.delete_dynamic_partition(SCENES, item)
    return True


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
