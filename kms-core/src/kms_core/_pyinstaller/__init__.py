"""What PyInstaller asks an installed distribution, by its entry point ``hook-dirs``."""

from __future__ import annotations

from pathlib import Path


def hook_folders() -> list[str]:
    """The folders with hooks."""
    return [str(Path(__file__).parent)]
