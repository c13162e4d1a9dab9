"""The worst day, fault by fault: what goes wrong where, and what is to come of it. Tests and `make drill` read this."""

from __future__ import annotations

from dataclasses import dataclass

from loopback.faults import Fault

B04 = r"blob\.core\.windows\.net/.*_B04_10m"
ANY_BLOB = r"blob\.core\.windows\.net/"
TOKEN = r"/api/sas/v1/token/"
ALWAYS = -1


@dataclass(frozen=True)
class Case:
    """One fault of the storage or of its tokens.

    Attributes:
        name: for the table.
        faults: what is injected.
        told: words of the error that it ends in; empty where it is to be recovered from.
        transient: whether that error says that trying again may help.
        real_token_seconds: how long tokens really live; they claim an hour.
        refetched: whether what had arrived must be fetched again.
    """

    name: str
    faults: tuple[Fault, ...]
    told: str = ""
    transient: bool = True
    real_token_seconds: float | None = None
    refetched: bool = False


def recovered() -> list[Case]:
    """Faults that pass: the scene is right in the end, and nobody is asked."""
    return [
        Case("token: 429, Retry-After 1", (Fault(TOKEN, "status", status=429, headers={"Retry-After": "1"}),)),
        Case("token: 503 twice", (Fault(TOKEN, "status", times=2, status=503),)),
        Case("token: no answer", (Fault(TOKEN, "stall"),)),
        Case("token: malformed JSON", (Fault(TOKEN, "garbage"),)),
        Case("token: connection closed", (Fault(TOKEN, "refuse"),)),
        Case("blob: 403, once", (Fault(B04, "status", status=403),)),
        Case("blob: token died, seen in mid-transfer", (Fault(B04, "stall", after=30_000),), real_token_seconds=0.6),
        Case("blob: 409", (Fault(B04, "status", status=409),)),
        Case("blob: 429, Retry-After 1", (Fault(B04, "status", status=429, headers={"Retry-After": "1"}),)),
        Case("blob: 500", (Fault(B04, "status", status=500),)),
        Case("blob: 503 ServerBusy, four times", (Fault(B04, "status", times=4, status=503),)),
        Case("blob: connection refused", (Fault(B04, "refuse", times=2),)),
        Case("blob: reset in mid-transfer", (Fault(B04, "reset", times=2, after=20_000),)),
        Case("blob: truncated in mid-transfer", (Fault(B04, "truncate", times=2, after=20_000),)),
        Case("blob: stalled socket", (Fault(B04, "stall", after=20_000),)),
        Case("blob: one byte a second", (Fault(B04, "slow", after=20_000),)),
        Case("blob: wrong length", (Fault(B04, "wrong_length", after=5_000),), refetched=True),
        Case("blob: web page with status 200", (Fault(B04, "html"),)),
        Case("blob: flipped byte in a block", (Fault(B04, "flip", after=20_000),), refetched=True),
        Case("blob: every answer breaks off once", (Fault(ANY_BLOB, "truncate", times=13, after=10_000),)),
    ]


def told() -> list[Case]:
    """Faults that last: one clear error within bounded time, nothing half-written."""
    return [
        Case("token: 503 for ever", (Fault(TOKEN, "status", ALWAYS, status=503),), "token service answered 503"),
        Case("token: no answer for ever", (Fault(TOKEN, "stall", ALWAYS),), "token service did not answer"),
        Case("token: malformed for ever", (Fault(TOKEN, "garbage", ALWAYS),), "token service gave no usable answer"),
        Case("token: 401, wrong key", (Fault(TOKEN, "status", ALWAYS, status=401),), "PC_SDK_SUBSCRIPTION_KEY", False),
        Case("blob: 403 for ever", (Fault(B04, "status", ALWAYS, status=403),), "the server answered 403"),
        Case("blob: 404 for one listed asset", (Fault(B04, "status", ALWAYS, status=404),), "answered 404", False),
        Case("blob: 503 for ever", (Fault(B04, "status", ALWAYS, status=503),), "the server answered 503"),
        Case("blob: breaks off for ever", (Fault(B04, "truncate", ALWAYS, after=0),), "did not arrive"),
        Case("blob: stalls for ever", (Fault(B04, "stall", ALWAYS),), "the server sent nothing for too long"),
        Case("blob: web page for ever", (Fault(B04, "html", ALWAYS),), "is no raster (text/html)"),
        Case("blob: wrong length for ever", (Fault(B04, "wrong_length", ALWAYS, after=5_000),), "truncated", False),
        Case("blob: flipped byte for ever", (Fault(B04, "flip", ALWAYS, after=20_000),), "cannot be decoded", False),
    ]
