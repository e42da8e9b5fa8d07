"""Tries for real whether a set-up works, and says what is wrong with it, for ``kms doctor``."""
