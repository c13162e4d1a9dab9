"""`lc-assets watch`: show what the sensor watches, or write a commented watch file."""

from __future__ import annotations

import click

from lc_assets.cli.options import user_errors
from lc_assets.cli.session import open_session
from lc_assets.core.errors import LandCoverError, StoreError

TEMPLATE = """\
# What the sensor new_sentinel2_items watches. `lc-assets watch` checks this file.

# The area is one of these three:
tiles: [32ULC]                      # at most 20
# bbox: [13.2, 55.4, 13.6, 55.7]    # west, south, east, north in degrees
# geometry: area.geojson            # a file beside this one

# from: 2024-01-01                  # first day of acquisition; without it: 60 days ago
# to: 2024-12-31                    # last day; without it: open
# max_cloud: 40                     # percent; without it: no limit
# max_nodata: 80                    # percent; half of all scenes are 11 % empty, one in ten 85 % and more
# collection: sentinel-2-l2a        # without it: LC_ASSETS_COLLECTION

every_minutes: 10                   # time between two searches; after a change reload the code location, or restart
reprocessed: replace                # a newer version of a known scene replaces it; or keep (both), first (the older)
recent_days: 10                     # searched every time; some of the other days are searched in turn
runs_per_tick: 50                   # most scenes that are launched after a search

# map: my-area                      # fuse the scenes into a season map of this name (with bbox or geometry)
"""


@click.command()
@click.option("--init", is_flag=True, help="Write a commented watch file. An existing file is kept.")
@user_errors
def watch(init: bool) -> None:
    """Show what the sensor watches: the content of watch.yaml, or of the file that LC_ASSETS_WATCH names."""
    session = open_session()
    path = session.settings.watch
    if init:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(TEMPLATE)
        except FileExistsError:
            raise LandCoverError(f"{path} exists", remedy="edit it, or remove it first") from None
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written ({error.strerror})",
                remedy="set LC_ASSETS_WATCH to a file that you may write",
            ) from None
        click.echo(f"written: {path}")
        click.echo(
            "Edit it. Then switch the sensor on in the UI (Automation), or: dagster sensor start new_sentinel2_items"
        )
        return
    from datetime import datetime, timezone

    from lc_assets.operations.watch import WatchConfig

    config = WatchConfig.read(path)
    begin, end = config.span(datetime.now(timezone.utc))
    area = [f"tiles {', '.join(config.tiles)}"] if config.tiles else []
    area += [f"bbox {config.bbox}"] if config.bbox else []
    area += [f"the area of {config.geometry}"] if config.geometry else []
    lines = [
        f"{path}: valid",
        f"{'; '.join(area)}; {begin:%Y-%m-%d} to {end:%Y-%m-%d}; searched every {config.every_minutes} minutes",
    ]
    if config.map is not None:
        from lc_assets.defs.season_map_sensor import watched_plan

        session.store.map(config.map)
        plan = watched_plan(config, path)
        cloud = "" if plan.max_cloud is None else f" with at most {plan.max_cloud:g} % cloud"
        lines.append(f"season map {config.map}: scenes of {plan.period}{cloud}")
    click.echo("\n".join(lines))
