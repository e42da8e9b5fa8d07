"""Finds, loads, checks and calls backends."""
