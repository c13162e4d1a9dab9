"""Settings from environment variables, with their defaults. The README (Settings) describes the variables.

Read elsewhere: LC_ASSETS_SCRATCH, LC_ASSETS_CACHE (lc_assets.store.scratch), LC_ASSETS_THREADS (lc_assets.core.cpu),
LC_ASSETS_INFERENCE_SLOTS (lc_assets.inference.slots), LC_ASSETS_BROKER (lc_assets.cluster), DAGSTER_HOME
(lc_assets.operations.dagster_home).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import lc_assets
from lc_assets.core.cpu import cpu_count, positive_setting
from lc_assets.core.environment import variable
from lc_assets.core.errors import LandCoverError, without_query
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.urls import is_remote, is_url

STACK_FORMS = ("virtual", "cog")
PRECISIONS = ("auto", "float32", "bfloat16")
"""`auto` selects bfloat16 if backend and CPU support it and its results agree with those of float32; else float32."""
KERAS_BACKENDS = ("openvino", "torch", "jax", "tensorflow", "numpy")
MODEL_FILE = "model.json"
"""The MLM item in the folder of a model."""
CARD_FILE = "README.md"
"""A model's card: how good it is, on chips and on maps. Beside its MLM item."""
SHIPPED = Path(lc_assets.__file__).parent / "inference" / "models" / "eurosat12-gap" / MODEL_FILE
"""MLM item of the model that is used unless LC_ASSETS_MODEL names another one."""
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
COLLECTION = "sentinel-2-l2a"
REFERENCES = ("esa-worldcover", "io-lulc-annual-v02")
"""Annual reference maps that are used unless LC_ASSETS_REFERENCE names others."""

UI_URL = "http://127.0.0.1:3000"
"""Where `lc-assets ui` shows Dagster's UI."""
FILES_URL = "http://127.0.0.1:3001"
"""Where `lc-assets ui` serves the files of a store that is a folder."""


@dataclass(frozen=True)
class Settings:
    """All settings that the code location and the commands share."""

    store: Path | str = field(default_factory=lambda: Path("store").resolve())
    """A folder, or the URL of an object store with an optional prefix."""
    area: Path | None = None
    """File of polygons of which scenes are kept and classified. None: the area that the store has, if any."""
    model: Path = SHIPPED
    chips: Path | None = None
    """Folder of labelled chips, see `lc_assets.training.data.splits`. None: `model_evaluation` uses none."""
    scenes: Path | None = None
    """Folder of scenes with references, see `lc_assets.training.evaluation.scenes`. None: `model_evaluation` uses none,
    only its own synthetic scenes."""
    stack: str = "virtual"
    precision: str = "auto"
    window: int | None = None
    """None: positions if the model has them, else windows."""
    stac_url: str = PLANETARY_COMPUTER
    collection: str = COLLECTION
    retry_policy: RetryPolicy = DEFAULT_POLICY
    watch: Path = field(default_factory=lambda: Path("watch.yaml").resolve())
    references: tuple[str, ...] = REFERENCES
    crosswalk: str = ""
    files_url: str = ""
    """URL of the store's root for a browser. Empty: `FILES_URL` for a folder, the own URL of an object store."""

    def __post_init__(self) -> None:
        _check_word("LC_ASSETS_STACK", self.stack, STACK_FORMS)
        _check_word("LC_ASSETS_PRECISION", self.precision, PRECISIONS)
        if not is_remote(self.stac_url) or "?" in self.stac_url or "#" in self.stac_url:
            raise LandCoverError(
                f"LC_ASSETS_STAC_URL is {self.stac_url!r}",
                remedy="set it to the http(s) root of a STAC API, or unset it",
            )
        if self.files_url and (not is_remote(self.files_url) or set("?#@") & set(self.files_url)):
            raise LandCoverError(
                f"LC_ASSETS_FILES_URL is {without_query(self.files_url)!r}",
                remedy="set it to the http(s) URL at which a web server has the store, or unset it",
            )

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the settings of the environment. An unset or empty variable gets its default.

        Raises:
            LandCoverError: a variable has a wrong value.
        """
        cpu_count()
        positive_setting("LC_ASSETS_INFERENCE_SLOTS")  # the code that needs these two reads them again
        _check_word("KERAS_BACKEND", variable("KERAS_BACKEND") or KERAS_BACKENDS[0], KERAS_BACKENDS)
        default = cls()
        return cls(
            store=_store(default.store),
            area=_path("LC_ASSETS_AREA", Path()) if variable("LC_ASSETS_AREA") else default.area,
            model=model_item(_path("LC_ASSETS_MODEL", default.model)),
            chips=_optional_path("LC_ASSETS_CHIPS"),
            scenes=_optional_path("LC_ASSETS_SCENES"),
            precision=variable("LC_ASSETS_PRECISION") or default.precision,
            window=_whole_number("LC_ASSETS_WINDOW"),
            stack=variable("LC_ASSETS_STACK") or default.stack,
            stac_url=variable("LC_ASSETS_STAC_URL") or default.stac_url,
            collection=variable("LC_ASSETS_COLLECTION") or default.collection,
            watch=_path("LC_ASSETS_WATCH", default.watch),
            references=_comma_separated("LC_ASSETS_REFERENCE") or default.references,
            crosswalk=variable("LC_ASSETS_CROSSWALK") or default.crosswalk,
            files_url=variable("LC_ASSETS_FILES_URL"),
            retry_policy=RetryPolicy(read=_seconds("LC_ASSETS_TIMEOUT", default.retry_policy.read)),
        )


def _check_word(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise LandCoverError(f"{name} is {value!r}", remedy=f"set it to {' or '.join(allowed)}, or unset it")


def _comma_separated(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in variable(name).split(",") if part.strip())


def _store(default: Path | str) -> Path | str:
    value = variable("LC_ASSETS_STORE")
    if value and is_url(value):
        return value
    path = _path("LC_ASSETS_STORE", Path(default))
    if {"#", "?"} & {*str(path)}:
        raise LandCoverError(
            f"the store {path} has a # or ? in its path, at which the links of STAC documents end",
            remedy="name another folder with --store or LC_ASSETS_STORE",
        )
    there = next((part for part in (path, *path.parents) if os.path.lexists(part)), path)
    if there.exists() and not there.is_dir():
        raise LandCoverError(
            f"the store {path} cannot be a folder: {there} is a file",
            remedy="name another folder with --store or LC_ASSETS_STORE",
        )
    return path


def model_item(model: str | Path) -> Path:
    """Return the path of a model's MLM item. `model` is the item, the `.keras` weights beside it, or their folder."""
    model = Path(model)
    if model.is_dir():
        return model / MODEL_FILE
    return model.with_suffix(".json") if model.suffix == ".keras" else model


def _path(name: str, default: Path) -> Path:
    try:
        return Path(variable(name) or default).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # unknown user in `~user`, or a loop of symbolic links
        raise LandCoverError(f"{name} is not a valid path ({error})", remedy="correct it, or unset it") from None


def _optional_path(name: str) -> Path | None:
    return _path(name, Path()) if variable(name) else None


def _whole_number(name: str) -> int | None:
    value = variable(name).strip()
    if value and not (value.isascii() and value.isdigit()):
        raise LandCoverError(f"{name} is {value!r}", remedy="set it to a whole number, or unset it")
    return int(value) if value else None


def _seconds(name: str, default: float) -> float:
    value = variable(name) or default
    try:
        seconds = float(value)
        if 0.1 <= seconds <= 3600:
            return seconds
    except ValueError:
        pass
    raise LandCoverError(f"{name} is {value!r}", remedy="set it to seconds, 0.1 to 3600, or unset it")
