"""Identifies the code and the model of this process, and refuses runs that were queued for others.

A run carries both as tags (`CODE_TAG`, `MODEL_TAG`). The process that executes a run may be on another machine than
the process that queued it, with another installation or other settings.
"""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lc_assets
from lc_assets.core.errors import BadModel, LandCoverError

MODEL_TAG = "lc_assets/model"
"""Run tag: fingerprint of the model that the run must use."""
CODE_TAG = "lc_assets/code"
"""Run tag: the code that the run must use, as `code_identity` returns it."""

_AGAIN = "then run it again (`lc-assets backfill`)"


@functools.cache
def code_identity() -> str:
    """Return the version of the package and a digest of its files, such as `0.3.0-1f0e5c7a9b2d`.

    The files are read once per process. Call it early: it must describe the code that was imported, not files that
    changed on the disk later.
    """
    try:
        release = version("lc-assets")
    except PackageNotFoundError:  # the package is on the path, but not installed
        release = "unversioned"
    return f"{release}-{package_digest(Path(lc_assets.__file__).parent)[:12]}"


def package_digest(home: Path) -> str:
    """Return the SHA-256 (hex) over names and contents of a package's files: code, templates, tables.

    Left out are compiled files and the weights of models, which have a fingerprint of their own.
    """
    names = (path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for name in sorted(n for n in names if "__pycache__" not in n and not n.startswith("inference/models/")):
        content = (home / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def ensure_same_code_and_model(tags: Mapping[str, str], fingerprint: str | None, item: str, asset: str) -> None:
    """Refuse a run that was queued for other code or another model than this process has.

    Args:
        tags: tags of the run. A run without the two tags is accepted.
        fingerprint: fingerprint of this process's model; None if the model cannot be read.
        item: STAC item id, for the message.
        asset: name of the asset, for the message.

    Raises:
        BadModel: the run needs another model.
        LandCoverError: the run needs other code.
    """
    here = socket.gethostname()
    meant = tags.get(MODEL_TAG)
    if meant and meant != fingerprint:
        raise BadModel(
            f"this run was queued for model {meant}, the process on {here} that executes it has "
            f"{fingerprint or 'none that can be read'}",
            item=item,
            asset=asset,
            remedy=f"start the worker on {here}, and whoever queues runs, with the same LC_ASSETS_MODEL, {_AGAIN}",
        )
    meant = tags.get(CODE_TAG)
    if meant and meant != code_identity():
        raise LandCoverError(
            f"this run was queued for lc_assets {meant}, the process on {here} that executes it has {code_identity()}",
            item=item,
            asset=asset,
            remedy=f"install the same version on {here} and where runs are queued, restart both, {_AGAIN}",
        )
