"""A backfill of many scenes while a tenth of the requests fails, with the programs that a user has."""

from __future__ import annotations

import math
import subprocess
import time
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES

from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.operations.runs import register, run_scene
from lc_assets.sentinel2.item.scene import parse_scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import SceneLayout, Store
from lc_assets_tests.rig.drill import leaks
from lc_assets_tests.rig.drill.report import Report
from lc_assets_tests.rig.drill.stage import PRECISION, Shell, renew, stopwatch
from lc_assets_tests.rig.drill.weather import SHARE, Traffic, brew, traffic
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene, pc_scene

FIRST = 500
"""Scenes from this number on: no test has them."""
LIMIT = 720.0
"""Seconds that the daemon may take, both passes together."""
MOST_FETCHED = 1.1
"""Bytes fetched / bytes of the files."""


def rehearse(pc: PlanetaryComputer, folder: Path, report: Report, count: int) -> None:
    """Without faults in this process, then with faults by the command line and a daemon; then look for secrets."""
    scenes = [pc_scene(number, folder / "source", **{"eo:cloud_cover": 5.0}) for number in range(FIRST, FIRST + count)]
    size = sum(path.stat().st_size for scene in scenes for path in scene.files.values())
    pc.api.clear()
    pc.publish_all((scene.item, scene.files) for scene in scenes)
    report.title(f"A backfill of {count} scenes, {SHARE:.0%} of the requests for blobs and tokens hit")
    report.say(
        f"{13 * count} files, {size / 1e6:.1f} MB; `lc-assets search`, `lc-assets backfill --from -`, `dagster-daemon "
        f"run`, two runs at a time, LC_ASSETS_TIMEOUT=2, LC_ASSETS_PRECISION={PRECISION}.\n"
    )
    report.table("what", "found", "claimed")
    with stopwatch() as spent:
        right = _faultless(pc, folder / "faultless", scenes, report)
    calm = traffic(pc)
    report.claim(
        "without faults: bytes fetched / size of the files", f"{calm.received / size:.3f}", calm.received == size
    )
    report.figures([("without faults, in one process: seconds, requests", f"{spent[0]:.0f}, {calm.requests}")])

    renew(pc)
    place = folder / "user"
    place.mkdir()
    shell = Shell(place)
    _under_faults(pc, shell, scenes, right, report)
    seen = traffic(pc)
    _tell(seen, size, report)
    renewed = pc.tokens_issued
    searched = leaks.search(place, renewed)
    report.title("No secret anywhere")
    report.say("Databases, logs and compute logs of DAGSTER_HOME, the store, what daemon and commands printed.\n")
    report.table("what", "found", "claimed")
    report.figures([("files searched", searched.files), ("bytes searched", f"{searched.size:,}")])
    report.figures([("tokens issued", len(renewed))])
    name = "occurrences of `sig=`, `sig%3D`, a token or its signature"
    where = f" ({', '.join(searched.found[:3])})" if searched.found else ""
    report.claim(name, f"{searched.occurrences}{where}", bool(renewed) and not searched.found, "0")
    renew(pc)
    pc.api.clear()


def _results(folder: SceneLayout) -> list[bytes | None]:
    """Class map, confidence, probabilities, overview."""
    paths = (folder.classified, folder.confidence, folder.probabilities, folder.overview)
    return [path.read_bytes() if path.exists() else None for path in paths]


def _faultless(
    pc: PlanetaryComputer, root: Path, scenes: list[PcScene], report: Report
) -> dict[str, list[bytes | None]]:
    """All scenes classified in this process, and what came out, by id."""
    settings = Settings(store=root, precision=PRECISION)
    definitions = build_definitions(settings)
    store = Store(root)
    renew(pc)
    right = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for number, scene in enumerate(scenes, 1):
            RegisteredItems(store, StacCatalogClient.of(settings)).register(parse_scene(scene.item))
            register(instance, [scene.id])
            outcome = run_scene(definitions, instance, scene.id, {})
            if outcome.error:
                raise RuntimeError(f"without any fault: {outcome.error}")
            right[scene.id] = _results(store.scene(scene.id))
            if number % 10 == 0:
                report.busy(f"{number} scenes classified without faults")
    if any(None in results for results in right.values()):
        raise RuntimeError("a run that succeeded has left no map")
    return right


def _under_faults(
    pc: PlanetaryComputer, shell: Shell, scenes: list[PcScene], right: dict[str, list[bytes | None]], report: Report
) -> None:
    """One pass, and a second one if the first has left something; then there must be nothing to do."""
    boxes = list(zip(*(scene.item["bbox"] for scene in scenes), strict=True))
    box = [min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])]
    found = shell.run("search", f"--bbox={','.join(map(str, box))}", "--ids").stdout
    report.claim("scenes that `search` finds", len(found.split()), sorted(found.split()) == sorted(right))
    brew(pc)
    shell.run("backfill", "--from", "-", given=found)
    deadline = time.monotonic() + LIMIT
    with dg.DagsterInstance.from_config(str(shell.home)) as instance, shell.daemon() as daemon:
        ended = _pass(shell, instance, daemon, deadline, right, report, "first pass")
        if ended and shell.run("backfill", "--dry-run").stdout:
            shell.run("backfill")
            ended = _pass(shell, instance, daemon, deadline, right, report, "second pass (`lc-assets backfill` again)")
    report.claim(f"the daemon is done within {LIMIT:.0f} s", "yes" if ended else "no", ended)
    wrong = _wrong(shell, right)
    for item in wrong[:5]:
        report.say(f"| not right: {item} | | |")
    count = len(right)
    report.claim("scenes right, byte for byte", f"{count - len(wrong)}/{count}", not wrong, f"{count}/{count}")
    rest = shell.run("backfill", "--dry-run")
    said = rest.stderr.strip().splitlines()[-1]
    report.claim(
        "`lc-assets backfill --dry-run` afterwards", said, not rest.stdout and "; 0 to run" in said, "0 to run"
    )


def _wrong(shell: Shell, right: dict[str, list[bytes | None]]) -> list[str]:
    store = Store(shell.store)
    return [item for item, results in right.items() if _results(store.scene(item)) != results]


def _pass(
    shell: Shell,
    instance: dg.DagsterInstance,
    daemon: subprocess.Popen[bytes],
    deadline: float,
    right: dict[str, list[bytes | None]],
    report: Report,
    name: str,
) -> bool:
    """Wait until the newest backfill has ended; whether it has."""
    with stopwatch() as spent:
        ended = _worked_off(shell, instance, daemon, deadline, report)
    [newest] = instance.get_backfills(limit=1)
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": newest.backfill_id}))
    failed = [run for run in runs if run.status == dg.DagsterRunStatus.FAILURE]
    count = len(right)
    report.figures(
        [
            (f"{name}: scenes right", f"{count - len(_wrong(shell, right))}/{count}"),
            (f"{name}: runs, failed runs, seconds", f"{len(runs)}, {len(failed)}, {spent[0]:.0f}"),
        ]
    )
    for run in failed[:5]:
        report.figures([(f"{name}: {run.tags.get('dagster/partition')} failed", _why(instance, run.run_id))])
    return ended


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """The first failed step's own words."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = record.dagster_event.step_failure_data if record.dagster_event else None
        if data and data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description[:200]
        if data and data.error:
            return data.error.message[:200]
    return "no step says why"


def _worked_off(
    shell: Shell, instance: dg.DagsterInstance, daemon: subprocess.Popen[bytes], deadline: float, report: Report
) -> bool:
    told = time.monotonic()
    while any(backfill.status not in BULK_ACTION_TERMINAL_STATUSES for backfill in instance.get_backfills()):
        if time.monotonic() > deadline or daemon.poll() is not None:
            report.busy(shell.log.read_text(errors="replace")[-3000:])
            return False
        if time.monotonic() - told > 30:
            told = time.monotonic()
            finished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
            report.busy(f"{instance.get_runs_count(finished)} runs finished")
        time.sleep(1)
    return True


def _tell(seen: Traffic, size: int, report: Report) -> None:
    kinds = ", ".join(f"{kind} {hits}" for kind, hits in seen.kinds.items())
    report.figures(
        [
            ("requests for blobs and tokens, tokens among them", f"{seen.requests}, {seen.tokens}"),
            ("of what kind", kinds),
        ]
    )
    # Chance alone moves the share further than this once in two thousand times; else the weather is another than told.
    tolerance = 3.5 * math.sqrt(SHARE * (1 - SHARE) / max(seen.requests, 1))
    holds = abs(seen.share - SHARE) < tolerance
    report.claim(
        "requests hit", f"{seen.hits} ({seen.share:.1%})", holds, f"{SHARE:.0%}, give or take {tolerance:.1%}:"
    )
    ratio = seen.received / size
    report.claim("bytes fetched / size of the files", f"{ratio:.3f}", ratio <= MOST_FETCHED, f"at most {MOST_FETCHED}")
