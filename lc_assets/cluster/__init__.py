"""Several workers: Celery and Redis carry the runs, Dagster stores them in PostgreSQL.

- `coordinator` tags each run with the code and the model that it needs.
- `launcher` sends runs to the broker, and detects runs whose worker has died.
- `tasks` executes a run in a worker. Only one worker at a time can hold the `run_lock` of a run.
- `requeue_sensor` resends runs that the broker lost.

`deploy/README.md` describes the setup.
"""
