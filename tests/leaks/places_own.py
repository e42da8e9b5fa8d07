"""What needs no cloud: a master secret, and a key file, each with a secret in it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from kms_core.builtin.local.key_file import new_key_file
from tests.leaks.internet import Internet
from tests.leaks.planted import Plants


def local(plants: Plants, _: pytest.MonkeyPatch, __: Internet) -> dict[str, Any]:
    return {"keyFile": plants.file("local.toml", new_key_file())}


def cluster(plants: Plants, _: pytest.MonkeyPatch, __: Internet) -> dict[str, Any]:
    return {name: _encoded(plants, name) for name in ("key", "salt")}


def cluster_files(plants: Plants, _: pytest.MonkeyPatch, __: Internet) -> dict[str, Any]:
    return {f"{name}File": plants.file(name, _encoded(plants, name)) for name in ("key", "salt")}


def cluster_variables(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    for name in ("key", "salt"):
        patch.setenv(f"KMS_KEK_CLUSTER_KMS_{name.upper()}", _encoded(plants, name))
    return {}


def _encoded(plants: Plants, name: str) -> str:
    secret = plants.text(f"master secret: {name}")
    return str(plants.known(f"encoded: {name}", urlsafe_b64encode(secret.encode()).decode()))


PLACES = (local, cluster, cluster_files, cluster_variables)
