"""The Celery app with which the launcher sends runs and the workers receive them.

LC_ASSETS_BROKER  URL of the Redis that carries the runs  redis://127.0.0.1:6379/0
"""

from __future__ import annotations

from urllib.parse import urlsplit

from celery import Celery
from dagster_celery.make_app import make_app

from lc_assets.core.environment import variable
from lc_assets.core.errors import LandCoverError

QUEUE = "dagster"
DEFAULT_BROKER = "redis://127.0.0.1:6379/0"
_SOCKET = "redis+socket"
_SCHEMES = ("redis", "rediss", _SOCKET)

CONFIG = {
    # The result of a run is in Dagster's database. No code reads Celery's results.
    "task_ignore_result": True,
    # A message is removed when a worker starts it. If the worker dies, the run lock is free, and Dagster launches a new
    # run. With late acknowledgement, Redis would deliver the same run again after hours or after a reconnect.
    "task_acks_late": False,
    # A worker does not reserve further runs, so that another worker can execute them.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "broker_transport_options": {
        "visibility_timeout": 7 * 24 * 3600,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 15,
    },
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # A child process may start slowly on a busy machine (Celery kills it after 4 s by default).
    "worker_proc_alive_timeout": 120.0,
    "accept_content": ["json"],
    "task_serializer": "json",
    "task_default_queue": QUEUE,
    "worker_send_task_events": False,
}


def broker() -> str:
    """Return the URL of the broker. It may contain a password: do not log it."""
    return variable("LC_ASSETS_BROKER") or DEFAULT_BROKER


def checked_broker_url(url: str) -> str:
    """Return `url` if it consists of one or several Redis URLs, separated by `;`.

    Raises:
        LandCoverError: a URL is not one of a Redis. The message does not contain the URL, which may have a password.
    """
    if not all(_is_redis(one) for one in url.split(";")):
        raise LandCoverError(
            "LC_ASSETS_BROKER is not the URL of a Redis",
            remedy="set it to one like redis://HOST:6379/0, rediss://HOST:6379/0 or redis+socket:///PATH/TO/SOCKET",
        )
    return url


def _is_redis(url: str) -> bool:
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError if the port is not a number
    except ValueError:
        return False
    database = parts.path.strip("/")
    return "://" in url and scheme in _SCHEMES and (scheme == _SOCKET or not database or database.isdecimal())


def celery_app(url: str | None = None) -> Celery:
    """Return a Celery app.

    Args:
        url: URL of the broker; None means the one of the environment.

    Raises:
        LandCoverError: the URL is not one of a Redis.
    """
    return make_app(app_args={"broker": checked_broker_url(url or broker()), "config_source": CONFIG})
