"""The Planetary Computer on loopback: real programs (azurite, pgstac) behind an HTTPS proxy of our own, for unmodified
clients. `service.PlanetaryComputer` is the whole of it; `fixtures` hands it to tests; `install.sh` fetches the
programs."""
