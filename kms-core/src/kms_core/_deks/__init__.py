"""What a DEK is to the store and the KEK: made, read, derived, written as a record."""
