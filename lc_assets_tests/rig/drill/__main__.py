"""Run the drill: `python -m lc_assets_tests.rig.drill [--only faults|backfill|sensor] [--scenes N]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lc_assets_tests.rig.drill.report import Report
from lc_assets_tests.rig.drill.stage import clients_of, without_settings
from loopback.planetary_computer import PlanetaryComputer
from loopback.programs import Missing


def main() -> int:
    """Exit status: 1 if something that is claimed does not hold."""
    options = argparse.ArgumentParser(prog="python -m lc_assets_tests.rig.drill", description=__doc__)
    options.add_argument("--only", choices=("faults", "backfill", "sensor"), help="one part")
    options.add_argument("--scenes", type=int, default=50, metavar="N", help="of the backfill (50)")
    chosen = options.parse_args()
    if chosen.scenes < 1:
        options.error("--scenes wants at least 1")
    without_settings()

    # Late: Dagster, Keras and the settings' defaults read the environment when they are imported.
    from lc_assets_tests.rig.drill import backfill, faults, sensor

    parts: dict[str, Callable[[PlanetaryComputer, Path, Report], None]] = {
        "faults": faults.rehearse,
        "backfill": lambda pc, folder, report: backfill.rehearse(pc, folder, report, chosen.scenes),
        "sensor": sensor.rehearse,
    }
    started = time.monotonic()
    report = Report()
    rig = PlanetaryComputer()
    try:
        rig.start()
    except Missing as missing:
        print(f"SKIPPED: the drill {missing}")
        return 0
    try:
        try:
            rig.api.clear()
        except Missing as missing:
            print(f"SKIPPED: the drill {missing}")
            return 0
        with clients_of(rig), tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
            for name, rehearse in parts.items():
                if chosen.only in (None, name):
                    report.part = name
                    place = Path(folder) / name
                    place.mkdir()
                    rehearse(rig, place, report)
    finally:
        rig.stop()
    return report.end(time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
