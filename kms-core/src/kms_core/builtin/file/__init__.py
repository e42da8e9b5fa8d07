"""``storage://file``: records in a folder."""
