"""A cluster on loopback: real PostgreSQL, Redis, Celery workers, Dagster's daemon and webserver, with `deploy/`'s own
configuration; and the levers to break it."""
