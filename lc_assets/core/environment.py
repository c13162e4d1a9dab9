"""The environment variables of the process. No other module reads or changes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def variable(name: str) -> str:
    """Return the value of a variable; an empty text if it is not set."""
    return os.environ.get(name, "")


def variables() -> dict[str, str]:
    """Return all variables that are set."""
    return dict(os.environ)


def set_variable(name: str, value: str) -> None:
    """Set a variable for this process and its children."""
    os.environ[name] = value


def set_default(name: str, value: str) -> None:
    """Set a variable for this process and its children, unless it is set."""
    os.environ.setdefault(name, value)


def unset(name: str) -> None:
    """Remove a variable, if it is set."""
    os.environ.pop(name, None)


@contextmanager
def restored(*names: str) -> Iterator[None]:
    """Give variables that are changed inside the context their former values after it."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                unset(name)
            else:
                set_variable(name, value)
