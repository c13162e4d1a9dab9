"""`lc-assets collection`: one collection over all maps."""

from __future__ import annotations

from pathlib import Path

import click

from lc_assets.cli.options import settings_with, store_option, user_errors


@click.command()
@store_option
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
@user_errors
def collection(store: str | None, rebuild: bool, target: Path | None, base: str | None) -> None:
    """Bring the collection over all maps up to date: <store>/collection/collection.json and items.parquet.

    What has been catalogued since the last time is appended; the first time, every scene of the store is read.
    """
    if base is not None and not target:
        raise click.UsageError("--base is for --export")
    if target and rebuild:
        raise click.UsageError("give --rebuild or --export, not both")
    settings = settings_with(store)
    from lc_assets.products.collection.extras import check_tools

    check_tools()
    if target:
        from lc_assets.products.collection.export import export_items
        from lc_assets.store.layout import Store

        written = export_items(Store.at(settings.store), target, base)
        click.echo(f"{written} items, and {target.with_suffix('.collection.json')}")
        return
    from lc_assets.cli.collection_steps import update_collection_now

    update_collection_now(settings, rebuild=rebuild)
