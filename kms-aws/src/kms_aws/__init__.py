"""AWS for kms-core: KEKs in AWS KMS (``kms://aws``) and records in S3 (``storage://aws``)."""
