"""From what a user names or asks for to items: references, catalogs, queries, the register."""
