"""``kms://local``: a KEK in a file."""
