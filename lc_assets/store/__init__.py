"""Where files lie and how they are written whole: local folders and object stores. No Sentinel-2, no Dagster."""
