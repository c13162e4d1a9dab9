"""Several workers: Celery and Redis carry the runs, Dagster stores them in PostgreSQL.

- `coordinator` tags each run with the code and the model that it needs.
- `launcher` sends runs to the broker, and finds runs whose worker is gone.
- `tasks` executes a run in a worker. Only one worker at a time can hold the `run_lock` of a run.
- `requeue_sensor` sends runs again that the broker lost.

`deploy/README.md` describes the setup.
"""
