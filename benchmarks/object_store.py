"""Measure a full tile with a store on a disk and with a store in an object store: `python -m benchmarks.object_store`.

The object store is moto's server on loopback, so the seconds do not include a network. The numbers of requests and
bytes are valid for any object store. This needs 10 GB of disk and the `dev` extra, and takes two minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks.__main__ import TILE
from benchmarks.tile import write_tile
from benchmarks.watch import measured
from loopback.gate import Gate
from loopback.object_stores import S3


def main() -> None:
    """Run all measurements and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.object_store", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for the tile and the store")
    work = parser.parse_args().work.resolve()
    tile = write_tile(work / "tile", TILE).parent
    size = sum(path.stat().st_size for path in tile.glob("*.tif"))
    os.environ.update(DAGSTER_HOME=str(work / "object_store"), LC_ASSETS_SCRATCH=str(work / "scratch"))
    shutil.rmtree(work / "object_store", ignore_errors=True)
    store = S3()
    os.environ.update(store.environment)
    rows = [_row("disk", measured("chain", tile, work / "object_store" / "store", 8, "float32"))]
    rows.append(_row("S3 on loopback", measured("chain", tile, f"{store.url}/plain", 8, "float32")))
    gate = Gate(store.port)
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{gate.port}"
    measured("chain", tile, f"{store.url}/counted", 8, "float32")
    traffic = gate.traffic()
    gate.stop()
    store.stop()
    shutil.rmtree(work / "object_store")
    shutil.rmtree(work / "scratch", ignore_errors=True)
    print("| store | seconds | CPU-seconds | " + " | ".join(rows[0][2]) + " | peak memory |")
    print("|---|---:|---:|" + "---:|" * (len(rows[0][2]) + 1))
    for name, run, assets in rows:
        seconds = " | ".join(f"{value:.1f}" for value in assets.values())
        print(f"| {name} | {run['seconds']:.1f} | {run['cpu']:.1f} | {seconds} | {run['peak'] / 1e9:.2f} GB |")
    print(f"\nThe tile's files: {size / 1e9:.2f} GB. For one scene, from raw_bands to catalog:\n")
    print("| request | number | GB sent | GB received |\n|---|---:|---:|---:|")
    for kind, (count, sent, received) in sorted(traffic.items()):
        print(f"| {kind} | {count} | {sent / 1e9:.3f} | {received / 1e9:.3f} |")


def _row(name: str, run: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, float]]:
    return name, run, run["assets"]


if __name__ == "__main__":
    main()
