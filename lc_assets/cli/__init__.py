"""The `lc-assets` command line: one file per command, which imports Dagster and numpy inside its functions only."""
