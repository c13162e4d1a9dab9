"""A cluster on loopback: PostgreSQL, Redis, Celery workers, Dagster's daemon and webserver, with the configuration of
`deploy/`."""
