"""Local folders to work in: this user's own, and the one in which files for an object store are made."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from lc_assets.core.errors import StoreError
from lc_assets.store.paths import StorePath


def user_temp_dir(name: str) -> Path:
    """This user's own folder of a name below the temporary one; made if need be.

    Raises:
        PermissionError: it is somebody else's: anybody may have made it before us, where everybody may write.
    """
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(errno.EACCES, "it is not this user's own", str(folder))
    return folder


def scratch_dir(place: StorePath) -> Path:
    """The local folder for files that are on their way to `place`: itself on a disk; else its like in a scratch folder
    (LC_ASSETS_SCRATCH, default: the system's folder for temporary files), which has room for a scene."""
    if isinstance(place, Path):
        return place
    chosen = os.environ.get("LC_ASSETS_SCRATCH")
    try:
        base = Path(chosen).expanduser() if chosen else user_temp_dir("lc_assets")
    except (RuntimeError, OSError) as error:  # no such user's home; somebody else's folder
        raise StoreError(
            f"LC_ASSETS_SCRATCH is no folder to work in ({error})", remedy="set it to a folder that you may write"
        ) from None
    return (base / place.bucket.scheme / place.bucket.name / place.key).absolute()
