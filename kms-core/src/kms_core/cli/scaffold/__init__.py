"""What ``kms plugin new`` writes."""
