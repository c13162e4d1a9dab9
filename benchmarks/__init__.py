"""Measured claims: `make bench`. What is timed, against what, and on what tile."""
