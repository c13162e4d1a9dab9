"""Self-contained HTML pages, which open without a network: the report of a scene, and the gallery of a store."""
