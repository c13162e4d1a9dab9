"""The Celery app that the launcher sends with and the workers listen with.

LC_ASSETS_BROKER  URL of the Redis that carries the runs  redis://127.0.0.1:6379/0
"""

from __future__ import annotations

import os

from celery import Celery
from dagster_celery.make_app import make_app

QUEUE = "dagster"
DEFAULT_BROKER = "redis://127.0.0.1:6379/0"

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


def celery_app(url: str | None = None) -> Celery:
    """An app on the broker of the environment, or on another one."""
    return make_app(app_args={"broker": url or broker(), "config_source": CONFIG})
