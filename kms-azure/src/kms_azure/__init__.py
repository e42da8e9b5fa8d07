"""Azure for kms-core: KEKs in Key Vault and managed HSM (``kms://azure``), records in Blob Storage
(``storage://azure``).
"""
