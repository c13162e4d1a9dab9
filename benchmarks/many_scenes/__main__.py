"""`python -m benchmarks.many_scenes`: print tables on Dagster with many scenes."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "openvino")

WHOLE = 200
"""Number of runs with all their pictures, to measure the size of a run."""


def main() -> None:
    """Create an instance with many scenes, run all measurements, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_scenes", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000, help="partition keys")
    parser.add_argument("--done", type=int, default=10_000, help="scenes with the records of a run")
    parser.add_argument("--no-ui", action="store_true", help="skip the webserver and the daemon")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("LC_ASSETS_") or name == "DAGSTER_HOME"]:
        del os.environ[name]
    warnings.simplefilter("ignore")
    from benchmarks.many_scenes import ours, sizes, ui
    from benchmarks.many_scenes.stac import stac_api
    from benchmarks.many_scenes.world import world

    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="many-scenes-"))
    documents: list[dict[str, Any]] = []
    try:
        with stac_api(documents) as url, world(folder, options.keys, url) as made:
            before = sizes.sizes(made)
            made.copy_run(made.keys[:WHOLE], pictures=True)
            grown = list(sizes.per_run(before, sizes.sizes(made), WHOLE))
            _table("database, kB per run (a table with its indexes)", "kB", grown)
            _table("the largest events of a run", "kB", sizes.largest_events(made))
            made.copy_run(made.keys[WHOLE : options.done - 1], pictures=False)
            made.classify()
            made.analyze()
            print(f"\n{options.keys:,} keys, {options.done:,} materialised, made in {time.monotonic() - began:.0f} s")
            print(f"{os.cpu_count()} cores, {platform.machine()}, PostgreSQL on loopback, everything on this machine")
            _table("our commands", "seconds", ours.timed(made, documents))
            if not options.no_ui:
                backfill = ui.newest_backfill(made)
                _table("Dagster's webserver", "seconds", ui.webserver_times(made, backfill))
                _table("Dagster's daemon", "seconds", ui.daemon_times(made, backfill))
            after = sizes.sizes(made)
            print(f"\nthe whole database: {sum(after.values()) / 1e6:,.0f} MB; all in {time.monotonic() - began:.0f} s")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _table(title: str, unit: str, rows: Iterable[tuple[str, float, str]]) -> None:
    print(f"\n| {title} | {unit} | |\n|---|---:|---|", flush=True)
    for name, value, note in rows:
        print(f"| {name} | {value:,.2f} | {note} |" if value else f"| {name} | | {note} |", flush=True)


if __name__ == "__main__":
    main()
