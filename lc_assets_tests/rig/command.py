"""`lc-assets` as a shell would run it, but in this process: a child costs seconds of imports.

For what is said and written. What is about exit codes of a real process, signals or locks starts one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from lc_assets.cli.main import main
from lc_assets.core.retry_policy import RetryPolicy

NOBODY = "http://127.0.0.1:9"
"""A catalogue that cannot be reached."""
QUICK = RetryPolicy(backoff=0.01)
"""For tests that are not about back-offs."""


@contextmanager
def environment_restored() -> Iterator[None]:
    """Environment and working folder are afterwards what they were before: as if a child had changed its own."""
    before, folder = dict(os.environ), Path.cwd()
    try:
        yield
    finally:
        os.chdir(folder)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def invoke(*arguments: object, code: int | None = None, **environment: str | None) -> Result:
    """Run `lc-assets` where the test is; what it printed.

    Args:
        arguments: of `lc-assets`.
        code: the exit status that is expected; None takes any.
        environment: variables of this command; None unsets one.

    Raises:
        AssertionError: it ended with another status.
        Exception: whatever the command let through, which would have been a traceback.
    """
    with environment_restored():
        result = CliRunner().invoke(main, [str(a) for a in arguments], env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    assert code is None or result.exit_code == code, result.output
    return result


class Shell:
    """`lc-assets` in a folder of its own.

    Attributes:
        folder: the working folder; `store` and the instance (`home`) are in it.
        environment: variables of every command.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.store = folder / "store"
        self.environment: dict[str, str | None] = {
            "DAGSTER_HOME": str(self.home),
            "LC_ASSETS_STORE": str(self.store),
            "LC_ASSETS_STAC_URL": NOBODY,
        }

    def __call__(self, *arguments: object, code: int | None = 0, **environment: str | None) -> Result:
        """As `invoke`, in the folder and with `environment`; it is expected to succeed."""
        with environment_restored():
            os.chdir(self.folder)
            return invoke(*arguments, code=code, **{**self.environment, **environment})

    def child_environment(self) -> dict[str, str]:
        """The variables for a program that a test starts in the folder."""
        return {**os.environ, **{name: value for name, value in self.environment.items() if value is not None}}
