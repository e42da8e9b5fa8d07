"""The checks on a backend as it is configured, for ``kms plugin check``."""
