"""The fault table: what each single fault comes to, how long it takes and how often it makes us ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from lc_assets.core.errors import LandCoverError
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.remote import signing, stac_api
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.item.scene import parse_scene
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import MANIFEST_FILE, Store
from lc_assets_tests.rig.cases import Case, recovered, told
from lc_assets_tests.rig.drill.api_cases import API_CASES, PAGE, ApiCase, prepare
from lc_assets_tests.rig.drill.report import Report
from lc_assets_tests.rig.drill.stage import renew, stopwatch
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene, pc_scene

QUICK = RetryPolicy(connect=2.0, read=0.8, backoff=0.05)
TOKEN_SECONDS = 0.8
WHICH = 700
"""Which scene: no test has it."""
_LONGEST = 70
"""Characters of an error that are shown."""


@dataclass(frozen=True)
class _Met:
    """What became of one fault: the outcome in words, seconds, requests, and what is not as claimed."""

    outcome: str
    seconds: float
    requests: int
    wrong: str


def rehearse(pc: PlanetaryComputer, folder: Path, report: Report) -> None:
    """Storage and its tokens first, then the STAC API."""
    report.title("One fault at a time")
    report.say(
        f"With short time-outs: {QUICK.read} s between two pieces of an answer (default {RetryPolicy().read:.0f} s), "
        f"{TOKEN_SECONDS} s for a token ({signing.SECONDS:.0f} s), a first wait of {QUICK.backoff} s "
        f'({RetryPolicy().backoff:.0f} s). "Recovered" means that all 13 files are right byte for byte, or all items '
        'are found; an error leaves nothing in `raw_bands`. "For ever" is every request.\n'
    )
    report.table("fault", "outcome", ">seconds", ">requests")
    scene = pc_scene(WHICH, folder / "source")
    for key, path in scene.files.items():
        pc.blobs.put(scene.item["assets"][key]["href"], path.read_bytes())
    with mock.patch.object(signing, "SECONDS", TOKEN_SECONDS):
        for number, case in enumerate((*recovered(), *told())):
            renew(pc)
            _show(report, case.name, _of_storage(pc, case, scene, folder / f"store-{number}"))
    with mock.patch.object(stac_api, "PAGE", PAGE):
        for api_case in API_CASES:
            renew(pc)
            _show(report, api_case.name, _of_api(pc, api_case, folder))
    renew(pc)
    pc.api.clear()


def _show(report: Report, name: str, met: _Met) -> None:
    outcome = f"**WRONG: {met.wrong}** {met.outcome}" if met.wrong else met.outcome
    report.row(name, outcome, f"{met.seconds:.1f}", met.requests)
    report.held(f"{name}: {met.wrong}", not met.wrong)


def _of_storage(pc: PlanetaryComputer, case: Case, scene: PcScene, root: Path) -> _Met:
    """Fetch the scene as raw_bands does, into a store of its own."""
    folder = Store(root).scene(scene.id)
    pc.real_token_seconds = case.real_token_seconds
    for fault in case.faults:
        pc.relay.inject(fault)

    def fetch() -> None:
        with atomic_output(folder.raw_bands, item=scene.id, asset="raw_bands", last=MANIFEST_FILE) as stage:
            fetch_scene(parse_scene(scene.item), stage, folder.incoming, retry_policy=QUICK)

    met = _met(pc, fetch, case.told, case.transient)
    if met.wrong:
        return met
    left = [path.name for path in folder.folder.glob("*raw_bands*") if path != folder.incoming and path.is_dir()]
    wrong = ""
    if not all(fault.hits for fault in case.faults):
        wrong = "the fault was not met"
    elif case.real_token_seconds and len(pc.tokens_issued) < 2:
        wrong = "no token has died"
    elif case.told and left:
        wrong = f"{', '.join(left)} was left"
    elif not case.told:
        raw = RawBands.open(folder.raw_bands, scene.id)
        other = [key for key, path in scene.files.items() if raw.paths[key].read_bytes() != path.read_bytes()]
        wrong = f"other bytes in {', '.join(other)}" if other else ""
    return _Met(met.outcome, met.seconds, met.requests, wrong)


def _of_api(pc: PlanetaryComputer, case: ApiCase, folder: Path) -> _Met:
    """Search, or look one item up."""
    catalog, names = prepare(pc, folder, QUICK)
    pc.relay.forget()
    found: list[str] = []
    met = _met(pc, lambda: found.extend(case.ask(pc, catalog, names)), case.told, case.transient)
    if met.wrong or case.told:
        return met
    return _Met(met.outcome, met.seconds, met.requests, "" if sorted(found) == names else f"{len(found)} items found")


def _met(pc: PlanetaryComputer, act: Callable[[], None], expected: str, transient: bool) -> _Met:
    """Do it, and hold what comes of it against what is claimed: an error with such words, or none without."""
    error: LandCoverError | None = None
    with stopwatch() as spent:
        try:
            act()
        except LandCoverError as caught:
            error = caught
    requests = len(pc.relay.exchanges)
    if error is None:
        return _Met("recovered", spent[0], requests, f"no error, expected {expected!r}" if expected else "")
    text = re.sub(r"https://\S+/([^/\s,]+)", error.asset or r"\1", error.problem)
    outcome = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    wrong = ""
    if not expected:
        wrong = "an error"
    elif expected not in str(error):
        wrong = f"another error than {expected!r}"
    elif error.transient != transient:
        wrong = f"transient is {error.transient}"
    elif "?" in str(error) or "->" not in str(error) or "\n" in str(error):
        wrong = "an error that shows a query, has no way out, or has several lines"
    return _Met(outcome, spent[0], requests, wrong)
