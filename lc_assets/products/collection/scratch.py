"""Local folders for work on copies of the index."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lc_assets.core.environment import variable
from lc_assets.core.errors import StoreError
from lc_assets.store.atomic import stage_name
from lc_assets.store.layout import COLLECTION_FOLDER, Store
from lc_assets.store.scratch import scratch_dir


@contextmanager
def scratch(store: Store) -> Iterator[Path]:
    """Create a local folder for a few copies of the index, and remove it at the end.

    If the process dies, `lc-assets prune` removes the folder.

    Raises:
        StoreError: the folder cannot be created.
    """
    folder = _create(store, stage_name(COLLECTION_FOLDER))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create(store: Store, name: str) -> Path:
    """Create the scratch folder in the store's work folder, where `prune` finds it, or else in LC_ASSETS_SCRATCH.

    The second folder is for a store that the user may only read. A store that does not exist is not created.
    """
    general = Path(variable("LC_ASSETS_SCRATCH") or tempfile.gettempdir()).expanduser().absolute()
    in_store = scratch_dir(store.root)
    on_disk = isinstance(store.root, Path)
    bases = [*([in_store] if not on_disk or in_store.is_dir() else []), *([general] if on_disk else [])]
    for base in bases:
        try:
            (base / name).mkdir(mode=0o700, parents=True)
            return base / name
        except OSError as error:
            failed = error
    raise StoreError(
        f"{bases[-1] / name} cannot be created ({failed.strerror or failed})",
        remedy="set LC_ASSETS_SCRATCH to a folder that you can write to, with disk space for the index",
    )
