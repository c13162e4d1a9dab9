"""A STAC API for tests: pgstac behind faults, or a server with chosen answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from lc_assets.core.errors import LandCoverError
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import COLLECTION
from lc_assets.remote.stac_api import StacApi
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.rig.scenes import PcScene
from lc_assets_tests.rig.service import PlanetaryComputer
from lc_assets_tests.rig.stac_api import PUBLIC_HOST, PUBLIC_ROOT
from lc_assets_tests.rig.wire import Answer, Request

QUICK = RetryPolicy(connect=1.0, read=0.5, backoff=0.03)
EVERYWHERE = Query(bbox=(-180.0, -90.0, 180.0, 90.0))
SEARCH = f"{PUBLIC_HOST}/api/stac/v1/search"
HOST = "stac.example"
ROOT = f"https://{HOST}/v1"
METADATA = "http://169.254.169.254/latest/meta-data/"


def fill(pc: PlanetaryComputer, scenes: list[PcScene]) -> None:
    pc.api.clear()
    pc.api.load(items=[scene.item for scene in scenes])


def planetary(tries: int = 2, retry_policy: RetryPolicy = QUICK) -> StacApi:
    return StacApi(PUBLIC_ROOT, retry_policy, tries)


def ids(pages: Iterable[list[dict[str, Any]]]) -> list[str]:
    return sorted(item["id"] for page in pages for item in page)


def catalog(tries: int = 2, retry_policy: RetryPolicy = QUICK) -> StacCatalogClient:
    return StacCatalogClient(PUBLIC_ROOT, COLLECTION, replace(retry_policy, tries=tries))


def found(query: Query = EVERYWHERE) -> list[str]:
    return ids(catalog().search(query))


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "properties": {}, **fields}


def page(*names: str, to: Any = None, **fields: Any) -> dict[str, Any]:
    links = [] if to is None else [{"rel": "next", "href": to} if isinstance(to, str) else to]
    return {"type": "FeatureCollection", "features": [item(name) for name in names], "links": links, **fields}


def play(pc: PlanetaryComputer, first: Any, **others: Any) -> Callable[..., list[str]]:
    """A server at `HOST`: `first` answers /v1/search, `others` answer /v1/<name>. What searches it is returned."""

    def handler(request: Request) -> Answer:
        answer = {"search": first, **others}.get(request.path.rpartition("/")[2], Answer(404))
        answer = answer(request) if callable(answer) else answer
        return answer if isinstance(answer, Answer) else Answer.of_json(answer)

    pc.relay.add_host(HOST, handler)
    return lambda tries=1, query=EVERYWHERE: ids(
        StacCatalogClient(ROOT, "c", replace(QUICK, tries=tries)).search(query)
    )


def asked(pc: PlanetaryComputer) -> list[str]:
    return [exchange.path.rpartition("/")[2] for exchange in pc.relay.exchanges]


def is_one_line(error: LandCoverError) -> bool:
    return len(str(error).splitlines()) == 1 and "->" in str(error) and len(str(error)) < 600


FAULTS = [
    *({"kind": "status", "status": status} for status in (429, 500, 503)),
    *({"kind": kind, "after": 200} for kind in ("refuse", "stall", "truncate", "reset", "wrong_length")),
    *({"kind": kind} for kind in ("html", "garbage")),
]
