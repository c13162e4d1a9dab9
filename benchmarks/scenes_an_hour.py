"""Measure how many scenes an hour one command classifies: `make bench`, or alone:

    python -m benchmarks.scenes_an_hour --scenes 10 --megabits 200
    python -m benchmarks.scenes_an_hour --scenes 3 --size 1098 --megabits 10 --runs 1    # two minutes

All scenes have the pixels of one tile. They are fetched through a server on loopback whose rate is limited. Three
commands are timed in turn, several times: fetching alone (no scene is computed), computing alone (the same files on the
disk), and `lc-assets classify` of all scenes, which does both. The limit of the third is the larger of the first two.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chain import classify, copies_of
from benchmarks.network import network
from benchmarks.tile import TILE, write_tile
from benchmarks.watch import Usage, run, summary
from loopback.file_host import HOST

SCENES, RUNS = 3, 3
MEGABITS = (1000.0, 200.0)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scenes_an_hour", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for the tile and the stores")
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--size", type=int, default=TILE, help="pixels of a scene's side at 10 m, a multiple of 6")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--megabits", type=float, nargs="+", default=MEGABITS, help="rates of the network in Mbit/s")
    options = parser.parse_args()
    work = options.work.resolve()
    item = write_tile(work / f"tile_{options.size}", options.size)
    print(table(measure(item, work / "scenes", options.scenes, options.runs, options.megabits)))


def measure(item: Path, work: Path, scenes: int, runs: int, megabits: Sequence[float]) -> dict[str, Any]:
    """Time the three commands.

    Args:
        item: path of the tile's item.
        work: folder for stores; it is removed at the end.
        scenes: number of scenes in each command.
        runs: how often each command is timed.
        megabits: rates of the network in Mbit/s.

    Returns:
        `scenes`; `alone`: computing alone; `networks`: one entry per rate, with `megabits`, `fetching`, `both` and
        `server_cpu`. Each measurement is a `benchmarks.watch.summary`.
    """
    local = copies_of(item, scenes, work / "local")
    remote = copies_of(item, scenes, work / "remote", HOST)
    computing: list[Usage] = []
    fetching: dict[float, list[Usage]] = {rate: [] for rate in megabits}
    both: dict[float, list[Usage]] = {rate: [] for rate in megabits}
    server_cpu = dict.fromkeys(megabits, 0.0)
    for number in range(1, runs + 1):
        print(f"{scenes} scenes, run {number} of {runs}", flush=True)
        computing.append(classify(work / "run", local))
        for rate in megabits:
            with network(item.parent, work, rate) as served:
                fetching[rate].append(_fetch(work / "fetched", remote, served["environment"]))
            with network(item.parent, work, rate) as served:
                both[rate].append(classify(work / "run", remote, **served["environment"]))
            server_cpu[rate] = served["cpu"]
    shutil.rmtree(work)
    networks = [
        {
            "megabits": rate,
            "fetching": summary(fetching[rate]),
            "both": summary(both[rate]),
            "server_cpu": server_cpu[rate],
        }
        for rate in megabits
    ]
    return {"scenes": scenes, "alone": summary(computing), "networks": networks}


def _fetch(folder: Path, items: Sequence[Path], environment: dict[str, str]) -> Usage:
    return run(
        [sys.executable, "-m", "benchmarks.measure", "fetch", str(folder), *map(str, items)], Path.cwd(), **environment
    )[0]


def table(found: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    scenes, alone = found["scenes"], found["alone"]
    lines = [
        f"| {scenes} scenes in one command | fetching alone, s | computing alone, s | both, s: lowest, median, highest "
        "| relative to the larger | scenes an hour | CPU-seconds a scene | peak memory |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for line in found["networks"]:
        fetching, both = line["fetching"], line["both"]
        larger = max(fetching["seconds"], alone["seconds"])
        lines.append(
            f"| {line['megabits']:g} Mbit/s | {fetching['seconds']:.1f} | {alone['seconds']:.1f} "
            f"| {both['lowest']:.1f}, {both['seconds']:.1f}, {both['highest']:.1f} | {both['seconds'] / larger:.2f} "
            f"| {3600 * scenes / both['seconds']:.0f} | {both['cpu'] / scenes:.1f} "
            f"| {both['peak'] / 1e9:.2f} GB |"
        )
    notes = [
        f"- Computing alone: {alone['lowest']:.1f} to {alone['highest']:.1f} s, "
        f"{alone['cpu'] / scenes:.1f} CPU-seconds a scene, peak {alone['peak'] / 1e9:.2f} GB.",
        *(
            f"- At {line['megabits']:g} Mbit/s the server, which is on the same machine, used "
            f"{line['server_cpu'] / scenes:.1f} more CPU-seconds a scene."
            for line in found["networks"]
        ),
    ]
    return "\n".join([*lines, "", *notes])


if __name__ == "__main__":
    main()
