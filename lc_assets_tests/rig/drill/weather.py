"""Bad weather for a backfill: each request for a blob or a token has the same chance that something hits it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from lc_assets_tests.rig.cases import ANY_BLOB, TOKEN
from loopback.blobs import DOMAIN
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer

SHARE = 0.10
"""Of the requests, all kinds together."""
_BOTH = f"{ANY_BLOB}|{TOKEN}"
_PARTS: list[tuple[float, Fault]] = [
    (0.020, Fault(_BOTH, "status", -1, status=503)),
    (0.010, Fault(_BOTH, "status", -1, status=500)),
    (0.010, Fault(_BOTH, "status", -1, status=429, headers={"Retry-After": "1"})),
    (0.010, Fault(_BOTH, "refuse", -1)),
    (0.010, Fault(_BOTH, "reset", -1, after=20_000)),
    (0.005, Fault(_BOTH, "reset", -1, after=1_000)),
    (0.010, Fault(_BOTH, "truncate", -1, after=50_000)),
    (0.005, Fault(_BOTH, "truncate", -1, after=0)),
    (0.010, Fault(_BOTH, "stall", -1, after=10_000)),
    (0.005, Fault(_BOTH, "html", -1)),
    # In the pixels of every file, and in no answer that goes on later. Twice in one file is, rightly, no accident.
    (0.005, Fault(ANY_BLOB, "flip", -1, after=2_000)),
]


def brew(pc: PlanetaryComputer) -> None:
    """Lay the faults out. The first that strikes spares the request the others: their chances make up for that."""
    spared = 1.0
    for share, fault in _PARTS:
        pc.relay.inject(replace(fault, chance=share / spared))
        spared -= share


@dataclass(frozen=True)
class Traffic:
    """What the relay has seen of storage and tokens: requests, how many were hit, by what, and the bytes of blobs."""

    requests: int
    hits: int
    kinds: dict[str, int]
    received: int
    tokens: int

    @property
    def share(self) -> float:
        """Of the requests that were hit."""
        return self.hits / max(self.requests, 1)


def traffic(pc: PlanetaryComputer) -> Traffic:
    """Since the rig was renewed. All bytes that storage has sent count, also those of errors and of web pages."""
    seen = list(pc.relay.exchanges)
    blobs = [exchange for exchange in seen if exchange.host.endswith(DOMAIN)]
    tokens = [exchange for exchange in seen if TOKEN in exchange.path]
    hit = [exchange for exchange in (*blobs, *tokens) if exchange.fault]
    kinds = Counter(f"{e.status}" if e.fault == "status" else e.fault for e in hit)
    received = sum(exchange.body_bytes_sent for exchange in blobs)
    return Traffic(len(blobs) + len(tokens), len(hit), dict(kinds.most_common()), received, len(tokens))
