"""Measure how much of a full tile a store of an area fetches: `python -m benchmarks.area`.

The tile is served on loopback by ranges. Squares of 20 km are placed at random in it. The bytes are counted at the
server, and compared with those of the whole files. It takes some minutes, most of them to write the tile (2 GB of
disk).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely

from benchmarks.tile import TILE, write_tile
from lc_assets.raster.polygons import DEGREES, Polygons
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from loopback.file_host import HOST, files_of
from loopback.relay import Relay

SIDE = 20_000


def main() -> None:
    """Print a line for each square."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.area", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for the tile")
    parser.add_argument("--squares", type=int, default=5, help="number of squares")
    options = parser.parse_args()
    tile = write_tile(options.work.resolve() / f"tile_{TILE}", TILE)
    relay = Relay()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(relay.client_environment(relay.write_authority(Path(folder) / "authority.pem")))
        relay.add_host(HOST, files_of(tile.parent))
        scene = _served(tile)
        whole = sum(path.stat().st_size for path in tile.parent.glob("*.tif"))
        rng = np.random.default_rng(1)
        shares = [
            _fetch(scene, relay, _square(scene, rng), Path(folder) / str(n), whole) for n in range(options.squares)
        ]
    relay.stop()
    print(f"mean of {len(shares)}: {100 * np.mean(shares):.1f} %, largest {100 * max(shares):.1f} %")


def _served(tile: Path) -> Scene:
    """Return the scene of the tile, with its files on the server."""
    document = read_document(tile)
    for name, asset in document["assets"].items():
        asset["href"] = f"https://{HOST}/{name}.tif"
    return parse_scene(document)


def _square(scene: Scene, rng: np.random.Generator) -> Polygons:
    declared = scene.declared["B02"]
    assert declared.transform
    _, _, left, _, _, top = declared.transform
    x, y = (float(n) for n in rng.uniform(0, 10 * TILE - SIDE, 2))
    square = shapely.box(left + x, top - y - SIDE, left + x + SIDE, top - y)
    return Polygons(("square",), np.array([square]), f"EPSG:{declared.epsg}").to(DEGREES)


def _fetch(scene: Scene, relay: Relay, area: Polygons, folder: Path, whole: int) -> float:
    """Fetch the part of the scene around an area, and return its share of the bytes of the whole files."""
    relay.forget()
    folder.mkdir()
    started = time.perf_counter()
    fetch_scene(scene, folder, folder.with_name("incoming"), area=area)
    seconds = time.perf_counter() - started
    part = RawBands.open(folder, scene.id).part
    sent = sum(exchange.body_bytes_sent for exchange in relay.exchanges)
    print(
        f"{part.width} x {part.height} px at {part.column}, {part.row}: {sent / 1e6:.1f} of {whole / 1e6:.1f} MB, "
        f"{100 * sent / whole:.1f} %, {len(relay.exchanges)} requests, {seconds:.1f} s"
        if part
        else "the whole tile"
    )
    return sent / whole


if __name__ == "__main__":
    main()
