"""`lc-assets`: the group of all commands.

A command imports Dagster, numpy and GDAL inside its functions, so that `--help` and usage errors answer at once.
"""

from __future__ import annotations

import errno
import signal
import sys
from contextlib import nullcontext
from typing import Any

import click

import lc_assets
from lc_assets.cli.agreement import agreement
from lc_assets.cli.backfill import backfill, stale
from lc_assets.cli.change import change
from lc_assets.cli.classify import classify, register
from lc_assets.cli.collection import collection
from lc_assets.cli.crash_watch import watched
from lc_assets.cli.demo import demo
from lc_assets.cli.export import export
from lc_assets.cli.models import model, train
from lc_assets.cli.options import BAD_INPUT, echo_error
from lc_assets.cli.prune import prune
from lc_assets.cli.remove import remove
from lc_assets.cli.search import search
from lc_assets.cli.season_map import season_map
from lc_assets.cli.status import status
from lc_assets.cli.ui import ui
from lc_assets.cli.view import view
from lc_assets.cli.watch import watch

_WITH_NETWORK = ("classify", "demo", "model", "train")
"""Commands that run the network in their own process."""


class _Program(click.Group):
    """The group as a program: the end of a command by a signal is reported, and so is output that cannot be written."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing half-written is left
        has_network = bool(set(sys.argv[1:2]) & set(_WITH_NETWORK)) and not {"-h", "--help"} & set(sys.argv)
        try:
            with watched() if has_network else nullcontext():
                return super().__call__(*args, **kwargs)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename:  # of a file: a fault of ours
                raise
            echo_error(f"the output cannot be written ({error.strerror}) -> free some space, then run it again")
            sys.exit(BAD_INPUT)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(lc_assets.__version__, prog_name="lc-assets")
def main() -> None:
    """Sentinel-2 scenes in, land-cover maps out.

    A REFERENCE to a scene is one of: the URL of a STAC item (of the Planetary Computer, say), a bare item id or the
    name of an ESA product, which is looked up among the registered items and then in the configured collection, a path
    to an item's JSON, a folder with a catalog.json (all of its items), or words that only one scene of the store has:
    its tile and its date (33UUB 2024-06-21), or a part of its id.

    Completion of commands, options and scenes: eval "$(_LC_ASSETS_COMPLETE=bash_source lc-assets)", or zsh_source,
    fish_source.

    Settings come from the environment: LC_ASSETS_STORE, LC_ASSETS_AREA, LC_ASSETS_MODEL, LC_ASSETS_PRECISION,
    LC_ASSETS_CHIPS, LC_ASSETS_SCENES, LC_ASSETS_WINDOW, LC_ASSETS_STACK, LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION,
    LC_ASSETS_TIMEOUT, LC_ASSETS_WATCH, LC_ASSETS_FILES_URL, LC_ASSETS_SCRATCH, LC_ASSETS_CACHE,
    LC_ASSETS_REFERENCE, LC_ASSETS_CROSSWALK, LC_ASSETS_THREADS, LC_ASSETS_INFERENCE_SLOTS, DAGSTER_HOME (default
    ./.dagster), KERAS_BACKEND (default openvino).
    """


for command in (
    train,
    model,
    search,
    backfill,
    stale,
    status,
    collection,
    agreement,
    prune,
    remove,
    view,
    export,
    classify,
    season_map,
    change,
    register,
    demo,
    ui,
    watch,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
