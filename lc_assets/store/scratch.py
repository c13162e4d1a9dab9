"""Local work folders: a temporary folder and a cache folder of the current user, and the scratch folder for an object
store's files."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from lc_assets.core.environment import variable
from lc_assets.core.errors import StoreError
from lc_assets.store.paths import StorePath


def user_temp_dir(name: str) -> Path:
    """Return the folder `<name>-<user id>` below the system's temporary folder. It is created if necessary.

    Raises:
        PermissionError: it belongs to another user, who may have created it first because the temporary folder is
            writable for all users.
    """
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    return _own_folder(folder)


def user_cache_dir(name: str) -> Path:
    """Return the folder `name` in the cache folder: LC_ASSETS_CACHE, or this user's, such as ~/.cache/lc_assets.

    It is created if necessary. Everything in it can be made again, so it may be removed at any time.

    Raises:
        OSError: it cannot be created, or belongs to another user.
    """
    chosen = variable("LC_ASSETS_CACHE")
    base = Path(chosen).expanduser() if chosen else user_cache_path("lc_assets", appauthor=False)
    folder = base / name
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _own_folder(folder)


def is_own(status: os.stat_result) -> bool:
    """Return True if the status of a file or folder, without following links, is that of one of this user."""
    return not stat.S_ISLNK(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


def _own_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or not is_own(status):
        raise PermissionError(errno.EACCES, "the folder belongs to another user, or is not a folder", str(folder))
    return folder


def scratch_dir(path: StorePath) -> Path:
    """Return the local folder for files that will be moved to `path`.

    On a disk this is `path` itself. For an object store it is the matching folder below LC_ASSETS_SCRATCH (default: a
    folder of this user below the system's temporary folder), which needs space for one scene.

    Raises:
        StoreError: the scratch folder cannot be used.
    """
    if isinstance(path, Path):
        return path
    chosen = variable("LC_ASSETS_SCRATCH")
    try:
        base = Path(chosen).expanduser() if chosen else user_temp_dir("lc_assets")
    except (RuntimeError, OSError) as error:  # unknown user in `~user`; folder of another user
        raise StoreError(
            f"the scratch folder cannot be used ({error})",
            remedy="set LC_ASSETS_SCRATCH to a folder that you can write to",
        ) from None
    return (base / path.bucket.scheme / path.bucket.name / path.key).absolute()
