"""`lc-assets status`: the registered scenes, each with its status and its failed checks."""

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
    """List the registered scenes with their status, and below each scene its checks that failed.

    A check counts until its asset is made again.
    """
    settings = settings_with(store)
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.failed_checks import failed_checks
    from lc_assets.operations.status import scene_statuses

    with open_instance(settings) as instance:
        definitions = build_definitions(settings)
        statuses = scene_statuses(instance, definitions)
        failed = failed_checks(instance, sorted(definitions.resolve_asset_graph().asset_check_keys))
    for item, status_of_item in statuses.items():
        click.echo(f"{status_of_item.value:<8}  {item}")
        for check in failed.get(item, ()):
            text = f"{check.name} of {check.asset} {'warns' if check.is_warning else 'failed'}: {check.description}"
            click.secho(f"{'':<10}{text}", fg="yellow" if check.is_warning else "red")
    number = sum(len(failed.get(item, ())) for item in statuses)
    click.echo(f"{count_statuses(list(statuses.values()))}; {quantity(number, 'failed check')}", err=True)
