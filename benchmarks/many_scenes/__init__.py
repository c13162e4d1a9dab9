"""Measure Dagster with 100,000 scenes: size of its database, and times of its queries and of our commands.

The database contains copies of the records of a real run.
"""
