"""The Celery app that the launcher sends with and the workers listen with.

LC_ASSETS_BROKER  URL of the Redis that carries the runs  redis://127.0.0.1:6379/0
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from celery import Celery
from dagster_celery.make_app import make_app

from lc_assets.core.errors import LandCoverError

QUEUE = "dagster"
DEFAULT_BROKER = "redis://127.0.0.1:6379/0"
_SOCKET = "redis+socket"
_SCHEMES = ("redis", "rediss", _SOCKET)

CONFIG = {
    # Dagster's database knows what became of a run; nobody reads Celery's own results.
    "task_ignore_result": True,
    # A message is gone once a worker has begun with it: a run whose worker dies is found by its claim and run again as
    # a new run. With late acknowledgement Redis would deliver the same run again, after hours or upon a reconnect.
    "task_acks_late": False,
    # No worker keeps a run waiting behind its own that another one could take.
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
    # A child that is slow to start on a busy machine is not killed for it (default: 4 s).
    "worker_proc_alive_timeout": 120.0,
    "accept_content": ["json"],
    "task_serializer": "json",
    "task_default_queue": QUEUE,
    "worker_send_task_events": False,
}


def broker() -> str:
    """The broker's URL. It may hold a password: not for a log."""
    return os.environ.get("LC_ASSETS_BROKER") or DEFAULT_BROKER


def checked(url: str) -> str:
    """A broker's URL, or several with `;` between them, if each is a Redis's.

    Raises:
        LandCoverError: it is not; the URL is not repeated, as it may hold a password.
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
        parts.port  # noqa: B018 - raises if it is no number
    except ValueError:
        return False
    database = parts.path.strip("/")
    return "://" in url and scheme in _SCHEMES and (scheme == _SOCKET or not database or database.isdecimal())


def celery_app(url: str | None = None) -> Celery:
    """An app on the broker of the environment, or on another one.

    Raises:
        LandCoverError: that is no Redis.
    """
    return make_app(app_args={"broker": checked(url or broker()), "config_source": CONFIG})
