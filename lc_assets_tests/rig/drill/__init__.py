"""`make drill`: the worst day rehearsed against the rig, and what came of it as markdown.

Tests say that each promise holds; this shows how much it costs (seconds, requests, bytes), on many scenes at once and
with the programs that a user has: the command line and Dagster's daemon.
"""
