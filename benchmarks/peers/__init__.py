"""A program for each library that is measured; `benchmarks.workers` runs them."""
