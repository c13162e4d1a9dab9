"""Servers and programs on loopback, and the scenes that they serve.

Tests, benchmarks and `make cluster-demo` use them. Clients need no change: a proxy of our own answers for the public
names of the Planetary Computer (azurite, pgstac) and of Earth Search, and moto's server is an S3 store. `.rig` has the
programs that `make rig` installs. Nothing here imports pytest or the tests, and the wheel does not contain it.
"""
