"""Writes files as secrets are kept: for their owner alone."""

from __future__ import annotations

from pathlib import Path


def write_private(path: Path, content: str | bytes) -> Path:
    """Write a file of mode 0600."""
    path.touch(mode=0o600)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
