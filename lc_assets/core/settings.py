"""Settings from the environment: one place that reads it, with every default.

LC_ASSETS_STORE        where everything is written: a folder, or a URL   ./store
LC_ASSETS_MODEL        MLM item (.json) of the model, or its folder      the shipped model
LC_ASSETS_CHIPS        labelled chips that `model_evaluation` judges by   ../shared/data/eurosat
LC_ASSETS_PRECISION    `auto`, `float32` or `bfloat16` in the network    auto: bfloat16 where it agrees with float32
LC_ASSETS_STACK        `virtual` (VRT) or `cog`: the stack's form        virtual
LC_ASSETS_STAC_URL     STAC API in which bare ids are looked up          the Planetary Computer
LC_ASSETS_COLLECTION   its collection                                    sentinel-2-l2a
LC_ASSETS_WATCH        what the sensor watches (lc_assets.operations.watch)         ./watch.yaml
LC_ASSETS_REFERENCE    maps to compare with, by commas (lc_assets.products.agreement)  esa-worldcover,io-lulc-annual-v02
LC_ASSETS_CROSSWALK    crosswalk (CSV) for one that comes without         none
LC_ASSETS_TIMEOUT      seconds to wait for a server's next piece         30
LC_ASSETS_SCRATCH      room for one scene, where the store is a URL      the system's temporary folder
LC_ASSETS_THREADS      threads of one process (lc_assets.core.cpu)         all CPUs
LC_ASSETS_INFERENCE_SLOTS  processes in inference at a time              no limit
LC_ASSETS_BROKER       Redis that carries runs to workers (lc_assets.cluster)  redis://127.0.0.1:6379/0
DAGSTER_HOME           Dagster's own folder                              ./.dagster
KERAS_BACKEND          openvino, or an installed torch, jax, tensorflow  openvino
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import lc_assets
from lc_assets.core.errors import LandCoverError
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.urls import is_remote, is_url

STACK_FORMS = ("virtual", "cog")
PRECISIONS = ("auto", "float32", "bfloat16")
"""`auto` is bfloat16 where the backend and the CPU have it and it gives what float32 gives, else float32."""
SHIPPED = Path(lc_assets.__file__).parent / "inference" / "models" / "eurosat12-gap" / "model.json"
"""MLM item of the model that is used unless a setting names another one."""
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
COLLECTION = "sentinel-2-l2a"
REFERENCES = ("esa-worldcover", "io-lulc-annual-v02")
"""Annual maps that a map is compared with unless a setting names others."""


@dataclass(frozen=True)
class Settings:
    """Everything that an operator may set; see the module's table."""

    store: Path | str = field(default_factory=lambda: Path("store").resolve())
    """A folder, or the URL of a place in an object store."""
    model: Path = SHIPPED
    chips: Path = field(default_factory=lambda: Path("../shared/data/eurosat").resolve())
    stack: str = "virtual"
    precision: str = "auto"
    stac_url: str = PLANETARY_COMPUTER
    collection: str = COLLECTION
    retry_policy: RetryPolicy = DEFAULT_POLICY
    watch: Path = field(default_factory=lambda: Path("watch.yaml").resolve())
    references: tuple[str, ...] = REFERENCES
    crosswalk: str = ""

    def __post_init__(self) -> None:
        if self.stack not in STACK_FORMS:
            raise LandCoverError(
                f"LC_ASSETS_STACK is {self.stack!r}", remedy=f"set it to {' or '.join(STACK_FORMS)}, or unset it"
            )
        if self.precision not in PRECISIONS:
            raise LandCoverError(
                f"LC_ASSETS_PRECISION is {self.precision!r}", remedy=f"set it to {' or '.join(PRECISIONS)}, or unset it"
            )
        if not is_remote(self.stac_url) or "?" in self.stac_url or "#" in self.stac_url:
            raise LandCoverError(
                f"LC_ASSETS_STAC_URL is {self.stac_url!r}",
                remedy="set it to the http(s) root of a STAC API, or unset it",
            )

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings in force. Unset and empty variables mean the default."""
        default = cls()
        model = _path("LC_ASSETS_MODEL", default.model)
        return cls(
            store=_store(default.store),
            model=model / "model.json" if model.is_dir() else model,
            chips=_path("LC_ASSETS_CHIPS", default.chips),
            precision=os.environ.get("LC_ASSETS_PRECISION") or default.precision,
            stack=os.environ.get("LC_ASSETS_STACK") or default.stack,
            stac_url=os.environ.get("LC_ASSETS_STAC_URL") or default.stac_url,
            collection=os.environ.get("LC_ASSETS_COLLECTION") or default.collection,
            watch=_path("LC_ASSETS_WATCH", default.watch),
            references=_listed("LC_ASSETS_REFERENCE") or default.references,
            crosswalk=os.environ.get("LC_ASSETS_CROSSWALK") or default.crosswalk,
            retry_policy=RetryPolicy(read=_seconds("LC_ASSETS_TIMEOUT", default.retry_policy.read)),
        )


def _listed(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in os.environ.get(name, "").split(",") if part.strip())


def _store(default: Path | str) -> Path | str:
    named = os.environ.get("LC_ASSETS_STORE")
    return named if named and is_url(named) else _path("LC_ASSETS_STORE", Path(default))


def _path(name: str, default: Path) -> Path:
    try:
        return Path(os.environ.get(name) or default).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # no such user's home, links in a circle
        raise LandCoverError(f"{name} is no path ({error})", remedy="mend it, or unset it") from None


def _seconds(name: str, default: float) -> float:
    value = os.environ.get(name) or default
    try:
        seconds = float(value)
        if 0.1 <= seconds <= 3600:
            return seconds
    except ValueError:
        pass
    raise LandCoverError(f"{name} is {value!r}", remedy="set it to seconds, 0.1 to 3600, or unset it")
