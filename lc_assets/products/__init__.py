"""Everything that is made of a finished class map."""
