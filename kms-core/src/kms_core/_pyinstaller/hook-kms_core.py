"""Puts every installed backend into the application, with the metadata that it is found by."""

from __future__ import annotations

from PyInstaller.utils.hooks import collect_entry_point

datas: list[tuple[str, str]] = []
hiddenimports: list[str] = []
for group in ("kms.kek", "kms.storage", "kms.observer"):
    metadata, modules = collect_entry_point(group)
    datas += metadata
    hiddenimports += modules
