"""The backends that come with kms-core, registered through entry points like anybody else's."""
