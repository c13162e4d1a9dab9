"""`lc-assets status`: the registered scenes and season maps, each with its status and its failed checks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.backfill import backfill_url, count_statuses
from lc_assets.cli.completion import complete_scenes_and_maps
from lc_assets.cli.options import warn_of_another_store, with_session
from lc_assets.cli.session import Session
from lc_assets.core.errors import LandCoverError, printable
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    from lc_assets.operations.failed_checks import FailedCheck
    from lc_assets.products.scene_list import SceneFacts
    from lc_assets.store.layout import Store


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_scenes_and_maps)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
@with_session
def status(session: Session, names: tuple[str, ...], as_json: bool) -> None:
    """List the registered scenes and season maps: status, tile, date, cloud, seconds of the run, model, id; and below
    each its checks that failed or warn.

    The last lines say how far the newest backfill is, and count scenes, failed checks and warnings. With NAMEs, only
    the scenes that fit one, such as 33UUB or 2024-06, and the maps of that name. A check counts until its asset is made
    again. A season map is stale if one of its scenes was made again or removed, or its registration was changed.
    """
    from lc_assets.operations.backfills import newest_backfill
    from lc_assets.operations.failed_checks import failed_checks
    from lc_assets.operations.season_maps import map_statuses
    from lc_assets.operations.status import run_seconds, scene_statuses
    from lc_assets.products.scene_list import scene_facts
    from lc_assets.products.season_map.plan import plan_digests
    from lc_assets.sentinel2.search.scene_names import join_words

    session.contract()
    with session.open_instance() as instance:
        definitions = session.definitions
        statuses = scene_statuses(instance, definitions, session.store)
        failed = failed_checks(instance, sorted(definitions.resolve_asset_graph().asset_check_keys))
        maps = map_statuses(instance, definitions, session.store, plan_digests(session.store))
        if names:
            chosen = _chosen(session.store, join_words(names), statuses, maps)
            statuses = {item: found for item, found in statuses.items() if item in chosen}
            maps = {name: found for name, found in maps.items() if name in chosen}
        newest = newest_backfill(instance, definitions)
        warn_of_another_store(session, instance)
        seconds = run_seconds(instance, list(statuses))
    facts = scene_facts(session.store, list(statuses))
    scenes = [
        {"id": item, "status": found.value, **_row(facts[item], seconds.get(item)), **_checks(failed.get(item, ()))}
        for item, found in statuses.items()
    ]
    fused = [
        {"name": name, "status": found.status.value, "reasons": found.reasons, **_checks(failed.get(name, ()))}
        for name, found in maps.items()
    ]
    progress = None
    if newest:
        progress = {**asdict(newest), "without_run": newest.without_run, "url": backfill_url(newest.id)}
    if as_json:
        click.echo(json.dumps({"scenes": scenes, "season_maps": fused, "newest_backfill": progress}, indent=2))
    else:
        _print(scenes, fused)
        if newest:
            click.echo(f"{newest}: {backfill_url(newest.id)}", err=True)
    severities = Counter(check["severity"] for one in (*scenes, *fused) for check in one["failed_checks"])
    counts = [count_statuses(list(statuses.values()))]
    counts += [quantity(len(maps), "season map")] if maps else []
    counts += [quantity(severities["error"], "failed check"), quantity(severities["warning"], "warning")]
    click.echo("; ".join(counts), err=True)
    if not (statuses or maps):
        click.echo(session.explain_empty(), err=True)


def _chosen(store: Store, names: Sequence[str], scenes: Iterable[str], maps: Iterable[str]) -> set[str]:
    """The ids of the scenes that fit one of the names, and the maps of that name.

    Raises:
        LandCoverError: a name fits neither a scene nor a map, or only scenes that are not registered.
    """
    from lc_assets.sentinel2.search.scene_names import SceneNames

    known, registered, chosen = SceneNames(store), {*scenes, *maps}, set[str]()
    for name in names:
        found = {name} & registered or registered & set(known.matching(name))
        if not found:
            raise LandCoverError(
                f"{known.one(name)} is in the store, but it is no partition of this Dagster instance",
                remedy="register it (lc-assets register), or set DAGSTER_HOME to the instance that has it",
            )
        chosen |= found
    return chosen


def _row(facts: SceneFacts, seconds: float | None) -> dict[str, Any]:
    return {
        "datetime": facts.datetime,
        "tile": facts.tile,
        "cloud_percent": facts.cloud,
        "seconds": None if seconds is None else round(seconds, 1),
        "model": facts.model,
    }


def _checks(failed: Iterable[FailedCheck]) -> dict[str, Any]:
    severity = {True: "warning", False: "error"}
    checks = [
        {"asset": c.asset, "check": c.name, "severity": severity[c.is_warning], "description": c.description}
        for c in failed
    ]
    return {"failed_checks": checks}


def _print(scenes: Sequence[dict[str, Any]], fused: Sequence[dict[str, Any]]) -> None:
    """Print one line for each scene and season map, and below it what is wrong."""
    width = max((len(scene["model"] or "-") for scene in scenes), default=0)
    for scene in scenes:
        cells = [
            f"{scene['status']:<8}",
            f"{scene['tile'] or '-':<5}",
            f"{(scene['datetime'] or '-')[:10]:<10}",
            f"{_number(scene['cloud_percent'], '.1f')} % cloud",
            f"{_number(scene['seconds'], '.0f')} s",
            f"{scene['model'] or '-':<{width}}",
            scene["id"],
        ]
        click.echo(printable("  ".join(cells)).replace("\n", " "))
        _print_checks(scene["failed_checks"])
    for one in fused:
        click.echo(f"{one['status']:<8}  season map {one['name']}")
        _print_checks(one["failed_checks"])
        for reason in one["reasons"]:
            click.secho(f"{'':<10}{reason}", fg="yellow")


def _print_checks(checks: Sequence[dict[str, Any]]) -> None:
    for check in checks:
        warns = check["severity"] == "warning"
        text = f"{check['check']} of {check['asset']} {'warns' if warns else 'failed'}: {check['description']}"
        click.secho(f"{'':<10}{text}", fg="yellow" if warns else "red")


def _number(value: float | None, form: str) -> str:
    return f"{'-' if value is None else format(value, form):>5}"
