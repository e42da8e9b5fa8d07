"""What the user chose: URIs, a TOML file, the environment. Nothing of a backend is imported."""
