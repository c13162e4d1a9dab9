"""`lc-assets prune`: what is not needed any more, and away with it."""

from __future__ import annotations

import click

from lc_assets.cli.options import settings_with, store_option, user_errors


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
    help="Remove records of finished runs on which nothing rests.",
)
@click.option("--yes", is_flag=True, help="Do it. Without, it is only told what would be removed.")
@user_errors
def prune(store: str | None, keep: str | None, days: int | None, yes: bool) -> None:
    """Tell what can be removed, and with --yes remove it: left-overs of dead processes, and what the options name.

    Maps and their STAC documents stay in any case, and so does whatever is in use: a scene with a run queued or under
    way, in a backfill that is yet to run it, or that is being fetched. It may be interrupted: the next call goes on.
    """
    settings = settings_with(store)
    from lc_assets.cli.prune_steps import run_prune
    from lc_assets.operations.cleanup import RetentionPolicy

    run_prune(settings, RetentionPolicy(keep) if keep else None, days, yes=yes)
