"""`make bench`: compare the whole chain on a full tile with the reference's method and with the machine's limits."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from pathlib import Path
from typing import Any

from benchmarks.season_map import DATES
from benchmarks.tile import MOTIF, compression, write_tile
from benchmarks.watch import measured
from lc_assets.core.cpu import cpu_count
from lc_assets.demo.item_json import DEMO_ITEM_ID
from lc_assets.inference.openvino_runtime import has_bfloat16

TILE = 6 * MOTIF
"""10980 px, a full Sentinel-2 tile."""
KM2 = (TILE / 100) ** 2
CHIPS = 3000


def main() -> None:
    """Run all measurements and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for tiles and stores (10 GB)")
    parser.add_argument(
        "--chips", type=int, default=CHIPS, help="number of chips on which the reference's method is timed"
    )
    parser.add_argument("--no-large", action="store_true", help="skip the 21960 px raster")
    options = parser.parse_args()
    work = options.work.resolve()
    print(f"writing a tile of {TILE} px below {work} (once)", flush=True)
    tile = write_tile(work / "tile", TILE).parent
    found = {"machine": _machine(), "compression": compression(tile)}
    found.update(_tile(tile, work, options.chips))
    print("a map of several dates of the tile", flush=True)
    shutil.rmtree(work / "season", ignore_errors=True)
    found["season_map"] = measured("season_map", work / "season", DATES)
    shutil.rmtree(work / "season")
    if not options.no_large:
        print(f"writing a raster of {2 * TILE} px (once)", flush=True)
        found["large"] = _large(write_tile(work / "large", 2 * TILE).parent, work)
    (work / "figures.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    table = markdown(found)
    (work / "table.md").write_text(table, encoding="utf-8")
    print(f"\n{table}\nfigures: {work / 'figures.json'}")


def _tile(tile: Path, work: Path, chips: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    print("the reference's method", flush=True)
    found["reference"] = measured("reference", tile, work / "reference", chips)
    shutil.rmtree(work / "reference")
    runs = [(64, "auto"), (8, "auto"), *([(8, "float32")] if has_bfloat16() else [])]
    for stride, precision in runs:
        print(f"the chain, stride {stride}, {precision}", flush=True)
        store = _fresh(work / f"chain_{stride}_{precision}")
        found[f"chain_{stride}_{precision}"] = measured("chain", tile, store, stride, precision)
    print("the limits", flush=True)
    classified = store / "scenes" / DEMO_ITEM_ID / f"{DEMO_ITEM_ID}_classified.tif"
    found["limits"] = measured("limits", tile, classified, work, TILE)
    (work / "again.tif").unlink()
    return found


def _large(tile: Path, work: Path) -> dict[str, Any]:
    store = _fresh(work / "large_store")
    measured("chain", tile, store, 8, "auto", "raw_bands", "resampled_stack")
    print("class_raster of the large raster", flush=True)
    large = measured("chain", tile, store, 8, "auto", "class_raster")
    small = measured("chain", work / "tile", work / "chain_8_auto" / "store", 8, "auto", "class_raster")
    return {"large": large, "small": small}


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder / "store"


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


def markdown(found: dict[str, Any]) -> str:
    """Return the results as a Markdown table with a head and notes."""
    reference, limits = found["reference"], found["limits"]
    base = reference["seconds"]
    rows = [
        ("reference's method, classic network", base, 1.0, None, reference),
        ("reference's method, shipped network", reference["seconds_shipped"], None, None, reference),
    ]
    notes = []
    for key, run in found.items():
        if not key.startswith("chain_"):
            continue
        stride, precision = key.split("_")[1], run["precision"]
        bound = limits["decode"] + limits["cog"] + limits[precision]["matrix"]
        rows.append((f"chain, stride {stride}, {precision}", run["seconds"], None, bound / run["seconds"], run))
        assets = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run["assets"].items())
        notes.append(
            f"- Chain, stride {stride}, {precision}: {run['cpu'] / KM2 * 1000:.1f} CPU-seconds per 1000 km2; {assets}."
        )
    season = found["season_map"]
    bound = season["reading"] + season["writing"]
    rows.append((f"season map, {DATES} dates", season["seconds"], None, bound / season["seconds"], season))
    notes.append(
        f"- Season map of {DATES} dates: {season['cpu']:.1f} CPU-seconds; limit: reading the maps "
        f"{season['reading']:.1f} s, writing the map {season['writing']:.1f} s. Its memory, and what it reads "
        "and writes, include the writing of the scenes and the measurement of the limit."
    )
    rows.append(("limit: decode 12 bands", limits["decode"], None, None, None))
    rows.append(("limit: write the class COG", limits["cog"], None, None, None))
    for precision in ("float32", "bfloat16"):
        if precision in limits:
            rate = limits[precision]
            rows.append((f"limit: {rate['gflops']:.0f} GFLOP/s, {precision}", rate["matrix"], None, None, None))
            share = rate["matrix"] / rate["network"]
            rows.append((f"network alone, {precision}", rate["network"], None, share, None))
    if "large" in found:
        for name, side in (("small", TILE), ("large", 2 * TILE)):
            run = found["large"][name]
            rows.append((f"class_raster, {side} px, stride 8", run["assets"]["class_raster"], None, None, run))
        large, small = found["large"]["large"], found["large"]["small"]
        grown = large["assets"]["class_raster"] / small["assets"]["class_raster"]
        notes.append(
            f"- Four times the pixels: {grown:.2f} times the seconds, {large['peak'] / small['peak']:.2f} times the "
            "memory."
        )
    lines = [
        "| | seconds | times faster than the reference's method | share of the limit | peak memory | read | written |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, seconds, ratio, share, run in rows:
        faster = ratio or (base / seconds if name.startswith("chain") or "shipped network" in name else None)
        lines.append(
            f"| {name} | {seconds:.1f} | {f'{faster:.1f}' if faster else ''} | {f'{share:.0%}' if share else ''} | "
            + (" | ".join(f"{run[key] / 1e9:.2f} GB" for key in ("peak", "read", "written")) if run else " | | ")
            + " |"
        )
    head = [
        f"{found['machine']}. Tile of {TILE} x {TILE} px, deflate {found['compression']:.2f} : 1. "
        f"The reference's method was timed on {reference['measured']:,} of {reference['chips']:,} chips and "
        "extrapolated.",
        "",
    ]
    return "\n".join([*head, *lines, "", *notes, ""])


if __name__ == "__main__":
    main()
