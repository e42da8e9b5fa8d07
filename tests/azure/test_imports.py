"""What a user of one part imports of the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from kms_core.builtin.local.key_file import new_key_file

BLOB, KEYS = "azure.storage.blob", "azure.keyvault.keys"
PRINT_MODULES = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
KEK = "kms://azure?vaultName=our-vault&keyName=deks"
STORAGE = "storage://azure?account=account&container=deks"


def modules(code: str) -> set[str]:
    command = [sys.executable, "-c", code + PRINT_MODULES]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def open_both(kek: str, storage: str) -> str:
    return f"import kms_core\nkms_core.open_kms({kek!r}, {storage!r}).close()"


def test_a_kek_alone_imports_no_blob_code(tmp_path: Path) -> None:
    loaded = modules(open_both(KEK, f"storage://file?path={tmp_path}"))
    assert KEYS in loaded
    assert not {name for name in loaded if name.startswith(("azure.storage", "kms_azure.storage"))}


def test_a_storage_alone_imports_no_key_vault_code(tmp_path: Path) -> None:
    key_file = tmp_path / "kek.toml"
    key_file.write_text(new_key_file())
    key_file.chmod(0o600)
    loaded = modules(open_both(f"kms://local?keyFile={key_file}", STORAGE))
    assert BLOB in loaded
    assert not {name for name in loaded if name.startswith(("azure.keyvault", "kms_azure.kek"))}


def test_a_config_imports_nothing_of_the_sdk() -> None:
    assert "azure" not in modules("import kms_azure.config")


def test_listing_backends_imports_nothing_of_azure() -> None:
    listing = "from kms_core._plugins import registry\nassert registry.find_backends()"
    assert not modules(listing) & {"azure", "kms_azure"}
