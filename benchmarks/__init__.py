"""What kms-core costs, beside its peers and beside the bare SDKs; `nox -s bench` runs all of it.

A module for each question has a function `measure`, which yields rows. `__main__` runs them and
writes `results.json`; `report` makes the table and the plots of docs/performance.md of that.
Ratios are of one run: who is compared takes turns, so that a busy machine slows all alike.
"""
