"""`lc-assets`, one file per command. Dagster is imported inside the function that needs it."""
