"""All Dagster definitions of the project. Each one is thin: it calls one function of a lower room."""
