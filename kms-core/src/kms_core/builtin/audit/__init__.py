"""``observer://audit``: a trail of what was asked for, each line bound to the one before it."""
