"""Faults of the STAC API, for the fault table: a search of three pages, and one item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.rig.cases import ALWAYS
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import pc_scene

PAGE = 3
"""Items a page: eight items make three pages."""
_ITEMS = range(720, 728)
_EVERYWHERE = Query(bbox=(-180.0, -90.0, 180.0, 90.0))
_SEARCH = r"/api/stac/v1/search"
_ITEM = r"/api/stac/v1/collections/.*/items/"

Ask = Callable[[PlanetaryComputer, StacCatalogClient, list[str]], list[str]]


@dataclass(frozen=True)
class ApiCase:
    """One fault of the API.

    Attributes:
        name: for the table.
        ask: lays the fault out and asks; gives the ids that it got.
        told: words of the error that it ends in; empty where all items are to be found.
        transient: whether that error says that trying again may help.
    """

    name: str
    ask: Ask
    told: str = ""
    transient: bool = True


def prepare(pc: PlanetaryComputer, folder: Path, retry_policy: RetryPolicy) -> tuple[StacCatalogClient, list[str]]:
    """Eight items and nothing else in the catalogue; their ids, sorted."""
    scenes = [pc_scene(number, folder / "items", shape=(12, 12)) for number in _ITEMS]
    pc.api.clear()
    pc.api.load(items=[scene.item for scene in scenes])
    return StacCatalogClient(retry_policy=retry_policy), sorted(scene.id for scene in scenes)


def _search(fault: Fault, page: int = 1) -> Ask:
    """A search that the fault meets from this page on."""

    def ask(pc: PlanetaryComputer, catalog: StacCatalogClient, names: list[str]) -> list[str]:
        pages = catalog.search(_EVERYWHERE)
        found = [item["id"] for _ in range(page - 1) for item in next(pages)]
        pc.relay.inject(replace(fault))
        return found + [item["id"] for items in pages for item in items]

    return ask


def _items(fault: Fault) -> Ask:
    """Each item by its id."""

    def ask(pc: PlanetaryComputer, catalog: StacCatalogClient, names: list[str]) -> list[str]:
        pc.relay.inject(replace(fault))
        return [catalog.scene(name).id for name in names]

    return ask


def _vanished(pc: PlanetaryComputer, catalog: StacCatalogClient, names: list[str]) -> list[str]:
    """An item that a search has found and that is gone when it is asked for."""
    [first, *_] = next(catalog.search(_EVERYWHERE))
    pc.api.delete(first["id"])
    return [catalog.scene(first["id"]).id]


_SLOW_DOWN = {"Retry-After": "1"}

API_CASES = [
    ApiCase("API: 503, once", _search(Fault(_SEARCH, "status", status=503))),
    ApiCase("API: 429, Retry-After 1", _search(Fault(_SEARCH, "status", status=429, headers=_SLOW_DOWN))),
    ApiCase("API: no answer, once", _search(Fault(_SEARCH, "stall"))),
    ApiCase("API: page 2 of 3 answers 503, once", _search(Fault(_SEARCH, "status", status=503), 2)),
    ApiCase("API: page 2 of 3 breaks off, once", _search(Fault(_SEARCH, "truncate", after=2000), 2)),
    ApiCase("API: an item's answer is malformed, once", _items(Fault(_ITEM, "garbage"))),
    ApiCase("API: 503 for ever", _search(Fault(_SEARCH, "status", ALWAYS, status=503)), "answers 503"),
    ApiCase("API: no answer for ever", _search(Fault(_SEARCH, "stall", ALWAYS)), "cannot be reached"),
    ApiCase("API: page 2 of 3 answers 503 for ever", _search(Fault(_SEARCH, "status", ALWAYS, status=503), 2), "503"),
    ApiCase("API: page 2 of 3 is a web page for ever", _search(Fault(_SEARCH, "html", ALWAYS), 2), "no page of items"),
    ApiCase("API: item vanished since the search", _vanished, "there is no such item", False),
]
