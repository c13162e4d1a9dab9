"""`make bench`: compare the whole chain on a full tile with the reference application and with the machine's limits.

REFERENCE=folder make bench                                                  # with the application itself
python -m benchmarks --size 1098 --scenes 2 --runs 1 --no-large --no-season  # a trial of some minutes
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from pathlib import Path
from typing import Any

from benchmarks import scenes_an_hour
from benchmarks.chain import STORE, classify, recorded
from benchmarks.reference_app import checkout, time_application
from benchmarks.season_map import DATES
from benchmarks.table import markdown
from benchmarks.tile import TILE, compression, write_tile
from benchmarks.watch import measured, summary
from lc_assets.core.cpu import cpu_count
from lc_assets.inference.openvino_runtime import has_bfloat16

CHIPS = 3000
RUNS = 3
CHAINS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "chain": ((), {}),
    "chain in float32": ((), {"LC_ASSETS_PRECISION": "float32"}),
    "chain, windows of 64 px": (("--window", "64"), {}),
}
"""Name -> options and variables of the command."""


def main() -> None:
    """Run all measurements and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for tiles and stores (15 GB)")
    parser.add_argument("--size", type=int, default=TILE, help="pixels of the tile's side at 10 m, a multiple of 6")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each command is timed")
    parser.add_argument("--scenes", type=int, default=scenes_an_hour.SCENES, help="scenes in one command; 0 skips it")
    parser.add_argument(
        "--chips", type=int, default=CHIPS, help="number of chips on which the reference's method is timed"
    )
    parser.add_argument("--no-large", action="store_true", help="skip the raster of twice the side")
    parser.add_argument("--no-season", action="store_true", help="skip the map of several dates")
    options = parser.parse_args()
    work = options.work.resolve()
    application = checkout()
    print(f"writing a tile of {options.size} px below {work} (once)", flush=True)
    item = write_tile(work / f"tile_{options.size}", options.size)
    found: dict[str, Any] = {"machine": _machine(), "size": options.size, "compression": compression(item.parent)}
    found |= _compared(item, work, options, application)
    if not options.no_large:
        print(f"writing a raster of {2 * options.size} px (once)", flush=True)
        large = write_tile(work / f"tile_{2 * options.size}", 2 * options.size)
        found["large"] = summary([classify(work / "run", [large])]) | recorded(work / "run")
    if not options.no_season:
        print("a map of several dates of a full tile", flush=True)
        shutil.rmtree(work / "season", ignore_errors=True)
        found["season_map"] = {**measured("season_map", work / "season", DATES), "dates": DATES}
        shutil.rmtree(work / "season")
    if options.scenes:
        found["several"] = scenes_an_hour.measure(
            item, work / "scenes", options.scenes, options.runs, scenes_an_hour.MEGABITS
        )
    shutil.rmtree(work / "run")
    (work / "figures.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    tables = markdown(found)
    (work / "table.md").write_text(tables, encoding="utf-8")
    print(f"\n{tables}\nfigures: {work / 'figures.json'}")


def _compared(item: Path, work: Path, options: argparse.Namespace, application: Path | None) -> dict[str, Any]:
    """Time the reference and the chain in turn, several times, then measure the limits."""
    chains = {name: how for name, how in CHAINS.items() if has_bfloat16() or "float32" not in name}
    runs: dict[str, list[Any]] = {"method": [], "application": [], **{name: [] for name in chains}}
    records: dict[str, Any] = {}
    for number in range(1, options.runs + 1):
        print(f"the reference's method, run {number} of {options.runs}", flush=True)
        runs["method"].append(measured("reference", item.parent, work / "method", options.chips))
        shutil.rmtree(work / "method")
        if application:
            print("the reference application", flush=True)
            runs["application"].append(time_application(application, item, work / "application"))
        for name, (arguments, environment) in reversed(chains.items()):
            print(f"the {name}", flush=True)
            runs[name].append(classify(work / "run", [item], *arguments, **environment))
            records[name] = recorded(work / "run")
    print("the limits", flush=True)
    limits = measured("limits", item.parent, work / "run" / STORE, work, options.size)
    (work / "again.tif").unlink()
    return {
        "method": summary(runs["method"]),
        **({"application": summary(runs["application"])} if application else {}),
        "chains": {name: summary(runs[name]) | records[name] for name in chains},
        "limits": limits,
        "cores": cpu_count(),
    }


def _machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    pages = next(
        line for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines() if line.startswith("MemTotal")
    )
    kind = "with bfloat16" if has_bfloat16() else "without bfloat16"
    memory = int(pages.split()[1]) / 1e6
    return f"{model}, {cpu_count()} cores, {kind}, {memory:.0f} GB, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
