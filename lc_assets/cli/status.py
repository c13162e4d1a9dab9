"""`lc-assets status`: the registered scenes and season maps, each with its status and its failed checks."""

from __future__ import annotations

import click

from lc_assets.cli.backfill import count_statuses
from lc_assets.cli.instance import open_instance
from lc_assets.cli.options import settings_with, store_option, user_errors
from lc_assets.core.wording import quantity


@click.command()
@store_option
@user_errors
def status(store: str | None) -> None:
    """List the registered scenes and season maps with their status, and below each its checks that failed.

    A check counts until its asset is made again. A season map is stale if one of its scenes was made again.
    """
    settings = settings_with(store)
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.failed_checks import failed_checks
    from lc_assets.operations.season_maps import map_statuses
    from lc_assets.operations.status import scene_statuses

    with open_instance(settings) as instance:
        definitions = build_definitions(settings)
        statuses = scene_statuses(instance, definitions)
        failed = failed_checks(instance, sorted(definitions.resolve_asset_graph().asset_check_keys))
        maps = map_statuses(instance, definitions)
    lines = [(item, item, status_of_item.value) for item, status_of_item in statuses.items()]
    lines += [(name, f"season map {name}", found.status.value) for name, found in maps.items()]
    for key, words, value in lines:
        click.echo(f"{value:<8}  {words}")
        for check in failed.get(key, ()):
            text = f"{check.name} of {check.asset} {'warns' if check.is_warning else 'failed'}: {check.description}"
            click.secho(f"{'':<10}{text}", fg="yellow" if check.is_warning else "red")
        for reason in maps[key].reasons if key in maps else ():
            click.secho(f"{'':<10}{reason}", fg="yellow")
    number = sum(len(failed.get(key, ())) for key, _, _ in lines)
    maps_text = f"; {quantity(len(maps), 'season map')}" if maps else ""
    click.echo(f"{count_statuses(list(statuses.values()))}{maps_text}; {quantity(number, 'failed check')}", err=True)
