"""``kms://pkcs11``: a KEK in a PKCS #11 token, for kms-core."""
