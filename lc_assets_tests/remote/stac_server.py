"""A STAC API for tests: pgstac behind faults, or a server with chosen answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode

from lc_assets.core.errors import LandCoverError
from lc_assets.core.progress import progress_callbacks
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import COLLECTION
from lc_assets.remote.stac_api import StacApi
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene
from loopback.stac_api import PUBLIC_HOST, PUBLIC_ROOT
from loopback.wire import Answer, Request

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


@dataclass
class Archive:
    """A STAC API of items at `times`, in this order: `i0`, `i1`, ...

    Attributes:
        times: time of each item; None for an item without one.
        links: method of its links to next pages; None for an API without such links.
        most: items in a page at most.
        window: items after which no link leads on.
        promises: whether a page with items always links to another one.
        counted: what it says as the number of items, if it does.
        filters: whether it knows `datetime`.
        refuse: returns the answer to a request for a page of so many items, beginning at an item, if it is refused.
        requests: limit and time of each request.
    """

    times: Sequence[datetime | None]
    links: str | None = "POST"
    most: int = 10_000
    window: int = 1_000_000
    promises: bool = False
    counted: int | None = None
    filters: bool = True
    refuse: Callable[[int, int], Answer | None] = lambda limit, start: None
    requests: list[tuple[int, str | None]] = field(default_factory=list)

    def __call__(self, request: Request) -> Any:
        body = request.json() if request.method == "POST" else dict(parse_qsl(request.query))
        start, limit = int(body.get("from", 0)), int(body["limit"])
        self.requests.append((limit, body.get("datetime")))
        refused = self.refuse(limit, start)
        if refused:
            return refused
        within = self._within(body.get("datetime"))
        end = start + min(limit, self.most)
        names = [name for name, time in self.named.items() if within(time)]
        link = {"rel": "next", **self._link({**body, "from": end})} if self.links else None
        leads_on = link if end < min(len(names), self.window) or (self.promises and start < len(names)) else None
        items = [
            item(name, properties={"datetime": time and time.isoformat().replace("+00:00", "Z")})
            for name in names[start : min(end, self.window)]
            for time in [self.named[name]]
        ]
        counts = {} if self.counted is None else {"numberMatched": self.counted}
        return {**page(to=leads_on, **counts), "features": items}

    @property
    def named(self) -> dict[str, datetime | None]:
        """Id -> time."""
        return {f"i{number}": time for number, time in enumerate(self.times)}

    def _link(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.links == "POST":
            return {"href": f"{ROOT}/search", "method": "POST", "body": body}
        kept: dict[str, Any] = {name: body[name] for name in ("limit", "from", "datetime") if name in body}
        return {"href": f"{ROOT}/search?{urlencode(kept)}"}

    def _within(self, interval: str | None) -> Callable[[datetime | None], bool]:
        if not self.filters or interval is None:
            return lambda time: True
        first, last = (None if end == ".." else datetime.fromisoformat(end) for end in interval.split("/"))
        return lambda time: time is None or ((first is None or first <= time) and (last is None or time <= last))


def hourly(number: int, step: int = 1) -> list[datetime]:
    """Times an hour apart, the latest first; `step` of them are the same."""
    return [datetime(2024, 6, 30, 23, 0, 0, 24000, timezone.utc) - timedelta(hours=n // step) for n in range(number)]


def warnings_of(search: Callable[[], list[str]]) -> tuple[list[str], list[str]]:
    """The ids that a search finds, and its warnings."""
    warnings: list[str] = []
    with progress_callbacks(None, warnings.append):
        return search(), warnings


def asked(pc: PlanetaryComputer) -> list[str]:
    return [exchange.path.rpartition("/")[2] for exchange in pc.relay.exchanges]


def is_one_line(error: LandCoverError) -> bool:
    return len(str(error).splitlines()) == 1 and "->" in str(error) and len(str(error)) < 600


FAULTS = [
    *({"kind": "status", "status": status} for status in (429, 500, 503)),
    *({"kind": kind, "after": 200} for kind in ("refuse", "stall", "truncate", "reset", "wrong_length")),
    *({"kind": kind} for kind in ("html", "garbage")),
]
