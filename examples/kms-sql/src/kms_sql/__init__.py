"""``storage://sql``: records in a table of any database that SQLAlchemy speaks to, for kms-core."""
