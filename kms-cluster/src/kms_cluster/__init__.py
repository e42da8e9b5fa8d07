"""The cluster KMS: a plugin of kms-core, opened as ``kms://cluster-kms``."""
