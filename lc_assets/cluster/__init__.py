"""Many workers: runs that travel by Celery and Redis, kept by Dagster in PostgreSQL.

Who does what: `coordinator` stamps runs with the code and the model that are meant, `launcher` hands them to the broker
and finds the ones whose worker is gone, `tasks` executes one in a worker, under a `claims` lock that nobody else can
hold at the same time, `watch` sends again what the broker lost. `deploy/README.md` says how to set it up.
"""
