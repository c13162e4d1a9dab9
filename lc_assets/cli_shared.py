"""What all commands share: how a fault is told, where the settings come from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lc_assets.errors import LandCoverError

if TYPE_CHECKING:
    from lc_assets.settings import Settings

BAD_INPUT = 1
"""Exit status when a reference, a scene or a setting was at fault. (click itself uses 2 for a wrong command line.)"""


def said(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a fault that a person can mend into one line and a non-zero exit; no traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LandCoverError as error:
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(BAD_INPUT)

    return wrapped


def settings_with(store: Path | None) -> Settings:
    """The settings of the environment, with the store of the command line where one is named."""
    if store is not None:
        os.environ["LC_ASSETS_STORE"] = str(store)
    from lc_assets.settings import Settings

    return Settings.from_environment()
