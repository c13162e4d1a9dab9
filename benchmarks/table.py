"""The Markdown tables of `make bench`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import scenes_an_hour

_HEAD = (
    "| | seconds: lowest, median, highest | CPU-seconds | times faster | share of the limit | peak memory | read "
    "| written |\n|---|---:|---:|---:|---:|---:|---:|---:|"
)


def markdown(found: dict[str, Any]) -> str:
    """Return the results of `benchmarks.__main__` as Markdown: the whole chain, its stages, and several scenes."""
    method, size = found["method"], found["size"]
    head = (
        f"{found['machine']}. Tile of {size} x {size} px, deflate {found['compression']:.2f} : 1. The reference's "
        f"method was timed on {method['measured']:,} of {method['chips']:,} chips and extrapolated."
    )
    parts = [head, "\n".join([_HEAD, *_whole(found)]), "\n".join(_stages(found))]
    if "several" in found:
        parts.append(scenes_an_hour.table(found["several"]))
    return "\n\n".join(parts) + "\n"


def _whole(found: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of whole commands. Those of the reference are the base of `times faster`."""
    method, limits = found["method"], found["limits"]
    base = found.get("application", method)["seconds"]
    if "application" in found:
        yield _row("reference application", found["application"])
    yield _row("reference's method, network of its size", method, faster=base / method["seconds"])
    for name, chain in found["chains"].items():
        bound = sum(limits[part] for part in ("checksum", "decode", "cog")) + limits[chain["precision"]]["matrix"]
        label = name if chain["precision"] in name else f"{name}, {chain['precision']}"
        yield _row(label, chain, base / chain["seconds"], bound / chain["seconds"])
    if "large" in found:
        yield _row(f"chain, {2 * found['size']} px", found["large"])
    if "season_map" in found:
        season = found["season_map"]
        share = (season["reading"] + season["writing"]) / season["seconds"]
        yield _row(f"season map, {season['dates']} dates of a full tile", season, share=share)


def _row(name: str, run: dict[str, Any], faster: float | None = None, share: float | None = None) -> str:
    seconds = f"{run['seconds']:.1f}"
    if run.get("lowest") != run.get("highest"):
        seconds = f"{run['lowest']:.1f}, {seconds}, {run['highest']:.1f}"
    cells = [name, seconds, f"{run['cpu']:.1f}", f"{faster:.1f}" if faster else "", f"{share:.0%}" if share else ""]
    cells += [f"{run[key] / 1e9:.2f} GB" for key in ("peak", "read", "written")]
    return f"| {' | '.join(cells)} |"


def _stages(found: dict[str, Any]) -> Iterator[str]:
    """Yield the table of the chain's stages. A stage of class_raster has the seconds of all its threads."""
    chain, limits, cores = found["chains"]["chain"], found["limits"], found["cores"]
    network = limits[chain["precision"]]
    stages, assets = dict(chain["stages"]), chain["assets"]
    stages["write the COGs"] = stages.pop("write", 0.0) + stages.pop("cog", 0.0)
    bounds = {
        "raw_bands": (limits["checksum"], "SHA-256 of the files"),
        "decode": (limits["decode"], "decode 12 bands"),
        "evaluate": (cores * network["network"], "the network alone, from memory"),
        "write the COGs": (limits["cog"], "write the three rasters from memory"),
    }
    yield "| stage of the chain | seconds | limit, s | share of its limit | the limit |\n|---|---:|---:|---:|---|"
    for name, seconds in assets.items():
        yield _stage(name, seconds, bounds)
        if name == "class_raster":
            for stage, spent in stages.items():
                yield _stage(stage, spent, bounds, indent="- ")
    yield _stage("outside the assets", chain["seconds"] - sum(assets.values()), bounds)
    yield (
        f"\nNetwork: {network['network']:.1f} s alone; as one matrix product ({network['gflops']:.0f} GFLOP/s) "
        f"{network['matrix']:.1f} s, {network['matrix'] / network['network']:.0%}."
    )


def _stage(name: str, seconds: float, bounds: dict[str, tuple[float, str]], indent: str = "") -> str:
    bound, what = bounds.get(name, (0.0, ""))
    share = f"{bound / seconds:.0%}" if bound and seconds else ""
    return f"| {indent}{name} | {seconds:.1f} | {f'{bound:.1f}' if bound else ''} | {share} | {what} |"
