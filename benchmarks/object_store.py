"""Measure a full tile with a store on a disk and with a store in an object store: `python -m benchmarks.object_store`.

The object store is moto's server on loopback, so the seconds do not include a network. The numbers of requests and
bytes are valid for any object store. This needs 10 GB of disk and the `dev` extra, and takes two minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from benchmarks.chain import classify, recorded
from benchmarks.tile import TILE, write_tile
from loopback.gate import Gate
from loopback.object_stores import S3


def main() -> None:
    """Run all measurements and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.object_store", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for the tile and the store")
    work = parser.parse_args().work.resolve()
    item = write_tile(work / f"tile_{TILE}", TILE)
    size = sum(path.stat().st_size for path in item.parent.glob("*.tif"))
    os.environ.update(LC_ASSETS_PRECISION="float32", LC_ASSETS_SCRATCH=str(work / "scratch"))
    store, folder = S3(), work / "object_store"
    os.environ.update(store.environment)
    rows = [("disk", classify(folder, [item]), recorded(folder)["assets"])]
    rows.append(
        ("S3 on loopback", classify(folder, [item], LC_ASSETS_STORE=f"{store.url}/plain"), recorded(folder)["assets"])
    )
    gate = Gate(store.port)
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{gate.port}"
    classify(folder, [item], LC_ASSETS_STORE=f"{store.url}/counted")
    traffic = gate.traffic()
    gate.stop()
    store.stop()
    shutil.rmtree(folder)
    shutil.rmtree(work / "scratch", ignore_errors=True)
    print("| store | seconds | CPU-seconds | " + " | ".join(rows[0][2]) + " | peak memory |")
    print("|---|---:|---:|" + "---:|" * (len(rows[0][2]) + 1))
    for name, run, assets in rows:
        seconds = " | ".join(f"{value:.1f}" for value in assets.values())
        print(f"| {name} | {run.seconds:.1f} | {run.cpu:.1f} | {seconds} | {run.peak / 1e9:.2f} GB |")
    print(f"\nThe tile's files: {size / 1e9:.2f} GB. For one scene, from raw_bands to catalog:\n")
    print("| request | number | GB sent | GB received |\n|---|---:|---:|---:|")
    for kind, (count, sent, received) in sorted(traffic.items()):
        print(f"| {kind} | {count} | {sent / 1e9:.3f} | {received / 1e9:.3f} |")


if __name__ == "__main__":
    main()
