"""The clauses of the hookspecs as checks."""
