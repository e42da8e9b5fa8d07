"""Google Cloud for kms-core: KEKs in Cloud KMS, and records in Cloud Storage, as ``gcp``."""
