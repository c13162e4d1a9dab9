"""The only Dagster definitions. Each is thin: it calls one function of a lower room."""
