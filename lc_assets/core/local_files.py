"""Check that a file which a user names can be read, before a library opens it."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def check_readable(path: Path) -> None:
    """Check that a path is a regular file that this process may read.

    A pipe would block its reader, and a device may never end.

    Raises:
        OSError: it is missing, no file, or cannot be read. `strerror` says why.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        reason = "it is a folder" if stat.S_ISDIR(mode) else "it is a device or a pipe"
        raise OSError(errno.EINVAL, reason, str(path))
    path.open("rb").close()
